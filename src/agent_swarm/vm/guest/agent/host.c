/* What concerns the guest as a whole: who it is, whether its disk stands still, and its end. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

static const char *write_file(const char *path, const void *bytes, size_t length, const char *end) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return strerror(errno);
    int failed = write(file, bytes, length) != (ssize_t)length || write(file, end, strlen(end)) != (ssize_t)strlen(end);
    close(file);
    return failed ? "a file could not be written" : NULL;
}

/* A clone has the random state of what it was cloned from: without this, clones would make the same keys. */
static const char *stir(const char *bytes, uint32_t length) {
    int random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (random < 0) return strerror(errno);
    int failed = write(random, bytes, length) != (ssize_t)length || ioctl(random, RNDRESEEDCRNG) < 0;
    close(random);
    return failed ? "the random state could not be renewed" : NULL;
}

static const char *set_clock(const unsigned char *bytes) {
    uint64_t now = little64(bytes);
    struct timespec time = {(time_t)(now / 1000000000u), (long)(now % 1000000000u)};
    return clock_settime(CLOCK_REALTIME, &time) < 0 ? strerror(errno) : NULL;
}

static const char *set_hostname(const char *name, uint32_t length) {
    if (sethostname(name, length) < 0) return strerror(errno);
    return write_file("/etc/hostname", name, length, "\n");
}

const char *personalise(struct frame *request) {
    struct fields fields = {request->payload, request->payload + request->length};
    uint8_t tag;
    char *text;
    uint32_t length;
    const char *why = NULL;
    while (!why && field_next(&fields, &tag, &text, &length)) {
        if (tag == 'r') why = stir(text, length);
        else if (tag == 'n') why = set_hostname(text, length);
        else if (tag == 'm') why = write_file("/etc/machine-id", text, length, "\n");
        else if (tag == 't' && length == 8) why = set_clock((unsigned char *)text);
    }
    return why ? why : fields.at == fields.end ? NULL : "the request makes no sense";
}

const char *set_frozen(int frozen) {
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return strerror(errno);
    if (frozen) sync();
    int done = ioctl(root, frozen ? FIFREEZE : FITHAW, 0);
    const char *why = done < 0 ? strerror(errno) : NULL;
    close(root);
    return why;
}

/* Whether this program is also the first process of the guest, so that nobody else can end it. */
static int is_first_process(void) {
    char first[256] = "", own[256] = "";
    return readlink("/proc/1/exe", first, sizeof first - 1) > 0 && readlink("/proc/self/exe", own, sizeof own - 1) > 0
        && strcmp(first, own) == 0;
}

void power_off(void) {
    struct timespec a_moment = {0, 200000000};
    if (!is_first_process()) {
        execlp("systemctl", "systemctl", "poweroff", (char *)NULL);
        execlp("poweroff", "poweroff", (char *)NULL);
        return;
    }
    kill(-1, SIGTERM); /* all but the first process and this one */
    nanosleep(&a_moment, NULL);
    sync();
    mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
    reboot(RB_POWER_OFF);
}
