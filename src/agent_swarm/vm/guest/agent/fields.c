/* The fields of a request. */
#include "agent.h"

#include <string.h>

uint32_t little32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint64_t little64(const unsigned char *bytes) {
    return (uint64_t)little32(bytes) | (uint64_t)little32(bytes + 4) << 32;
}

/* Each field is followed by a zero byte, so that its text can be used where it lies. */
int field_next(struct fields *fields, uint8_t *tag, char **text, uint32_t *length) {
    if (fields->end - fields->at < 6) return 0;
    *tag = fields->at[0];
    *length = little32(fields->at + 1);
    if ((size_t)(fields->end - fields->at) - 6 < *length) return 0;
    *text = (char *)fields->at + 5;
    if ((*text)[*length] != 0) return 0;
    fields->at += 6 + *length;
    return 1;
}
