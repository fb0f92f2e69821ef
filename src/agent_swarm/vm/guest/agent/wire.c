/* Bytes of a port to frames and back. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IN_BYTES (REQUEST_BYTES + WINDOW_BYTES)
#define OUT_BYTES (4 * DATA_BYTES)

static int make_buffer(struct buffer *buffer, size_t size) {
    buffer->bytes = malloc(size + 1); /* one more: fields are ended with a zero in place */
    buffer->start = buffer->end = 0;
    buffer->size = size;
    return buffer->bytes ? 0 : -1;
}

static void compact(struct buffer *buffer) {
    if (buffer->start == 0) return;
    memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}

int port_open(struct port *port, const char *path) {
    port->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port->fd < 0) return -1;
    /* SIGIO, which stays blocked, is how the kernel tells that the host came or went. */
    if (fcntl(port->fd, F_SETOWN, getpid()) < 0 || fcntl(port->fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC) < 0) return -1;
    return make_buffer(&port->in, IN_BYTES) < 0 ? -1 : make_buffer(&port->out, OUT_BYTES);
}

static int host_is_there(const struct port *port) {
    struct pollfd look = {port->fd, 0, 0};
    return poll(&look, 1, 0) >= 0 && !(look.revents & POLLHUP);
}

static void wait_for_news(void) {
    sigset_t news;
    struct timespec at_most = {1, 0};
    sigemptyset(&news);
    sigaddset(&news, SIGIO);
    sigtimedwait(&news, NULL, &at_most);
}

int port_fill(struct port *port) {
    compact(&port->in);
    if (port->in.end == port->in.size) return 0;
    ssize_t got = read(port->fd, port->in.bytes + port->in.end, port->in.size - port->in.end);
    if (got > 0) {
        port->in.end += (size_t)got;
        return (int)got;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int port_flush(struct port *port) {
    while (port->out.start < port->out.end) {
        size_t length = port->out.end - port->out.start;
        ssize_t put = write(port->fd, port->out.bytes + port->out.start, length < 32768 ? length : 32768);
        if (put <= 0) return put < 0 && (errno == EAGAIN || errno == EINTR) && host_is_there(port) ? 0 : -1;
        port->out.start += (size_t)put;
    }
    compact(&port->out);
    return 0;
}

int port_finish(struct port *port) {
    while (port->out.start < port->out.end) {
        struct pollfd ready = {port->fd, POLLOUT, 0};
        poll(&ready, 1, 1000);
        if (ready.revents & POLLHUP || port_flush(port) < 0) return -1;
    }
    return 0;
}

/* The magic words and what follows them may come after the rest of what an earlier command never read. */
static unsigned char *find_sync(struct buffer *in) {
    while (in->end - in->start >= MAGIC_BYTES + NONCE_BYTES) {
        if (memcmp(in->bytes + in->start, SYNC_MAGIC, MAGIC_BYTES) == 0) return in->bytes + in->start + MAGIC_BYTES;
        in->start++;
    }
    return NULL;
}

static void greet(struct port *port, const unsigned char *nonce) {
    unsigned char hello[NONCE_BYTES + 4] = {0};
    memcpy(hello, nonce, NONCE_BYTES);
    memcpy(port->nonce, nonce, NONCE_BYTES);
    hello[NONCE_BYTES] = VERSION;
    port->in.start += MAGIC_BYTES + NONCE_BYTES;
    port_put(port, HELLO, hello, sizeof hello);
}

int port_wait_host(struct port *port) {
    port->out.start = port->out.end = 0; /* what came in may hold the next command's magic words already */
    for (;;) {
        unsigned char *nonce = find_sync(&port->in);
        if (nonce) {
            while (!host_is_there(port)) wait_for_news(); /* data may overtake the news that the host has come */
            greet(port, nonce);
            return port_finish(port);
        }
        if (port_fill(port) > 0) continue;
        if (!host_is_there(port)) {
            wait_for_news();
            continue;
        }
        struct pollfd ready = {port->fd, POLLIN, 0};
        poll(&ready, 1, 1000);
    }
}

static int call_is_next(const struct port *port) {
    return port->in.end - port->in.start >= MAGIC_BYTES + NONCE_BYTES
        && memcmp(port->in.bytes + port->in.start, SYNC_MAGIC, MAGIC_BYTES) == 0;
}

/* A host that was not answered at once calls again; what it is answered to the first call is enough. */
static void skip_repeated_calls(struct port *port) {
    while (call_is_next(port) && memcmp(port->in.bytes + port->in.start + MAGIC_BYTES, port->nonce, NONCE_BYTES) == 0)
        port->in.start += MAGIC_BYTES + NONCE_BYTES;
}

int port_next(struct port *port, struct frame *frame) {
    skip_repeated_calls(port);
    if (call_is_next(port)) return -1; /* another command */
    unsigned char *at = port->in.bytes + port->in.start;
    size_t here = port->in.end - port->in.start;
    if (here < HEADER_BYTES) return 0;
    frame->length = little32(at);
    frame->type = at[4];
    frame->payload = at + HEADER_BYTES;
    if (frame->length > REQUEST_BYTES) return memcmp(at, SYNC_MAGIC, 4) == 0 ? 0 : -1;
    if (here < HEADER_BYTES + frame->length) return 0;
    port->in.start += HEADER_BYTES + frame->length;
    return 1;
}

int port_await(struct port *port, struct frame *frame) {
    for (;;) {
        int found = port_next(port, frame);
        if (found) return found;
        struct pollfd ready = {port->fd, POLLIN, 0};
        poll(&ready, 1, 1000);
        if (port_fill(port) < 0) return -1;
        if (ready.revents & POLLHUP && !(ready.revents & POLLIN)) return -1;
    }
}

size_t port_room(const struct port *port) {
    size_t used = port->out.end - port->out.start + HEADER_BYTES + 64; /* the end of a session always has room */
    return used >= port->out.size ? 0 : port->out.size - used;
}

void port_put(struct port *port, uint8_t type, const void *payload, size_t length) {
    compact(&port->out);
    if (port->out.size - port->out.end < HEADER_BYTES + length) return;
    unsigned char *at = port->out.bytes + port->out.end;
    unsigned char header[HEADER_BYTES] = {(unsigned char)length, (unsigned char)(length >> 8), (unsigned char)(length >> 16),
                                          (unsigned char)(length >> 24), type, 0, 0, 0};
    memcpy(at, header, HEADER_BYTES);
    if (length) memcpy(at + HEADER_BYTES, payload, length);
    port->out.end += HEADER_BYTES + length;
}

void port_fail(struct port *port, const char *what, const char *why) {
    char text[512];
    int length = snprintf(text, sizeof text, "%s: %s", what, why);
    port_put(port, FAILED, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}
