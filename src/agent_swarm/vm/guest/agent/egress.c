/* The way out for a guest without a network: whatever connects to a port of its loopback is passed on to the host, which
 * decides. All connections share one port of the host; each frame begins with the number of its connection.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROXY_PORT 13128
#define MOST_STREAMS 64
#define ID_BYTES 2
#define MOST_ANSWERS 256 /* bytes of answers to one frame */

/* Both sides say GONE once, as their last word; the number is free when both have. */
struct stream {
    int is_used, fd, has_sent_end, has_sent_gone, has_got_end, has_got_gone;
    uint32_t may_send;
    struct buffer input; /* from the host, on its way to the connection */
};

static struct stream streams[MOST_STREAMS];

static void put(struct port *port, struct stream *stream, uint8_t type, const void *data, size_t length) {
    static unsigned char payload[ID_BYTES + STREAM_BYTES];
    size_t id = (size_t)(stream - streams);
    payload[0] = (unsigned char)id, payload[1] = (unsigned char)(id >> 8);
    if (length) memcpy(payload + ID_BYTES, data, length);
    port_put(port, type, payload, ID_BYTES + length);
}

static void close_stream(struct port *port, struct stream *stream) {
    if (stream->fd >= 0) close(stream->fd);
    stream->fd = -1;
    stream->input.start = stream->input.end = 0;
    if (!stream->has_sent_gone) put(port, stream, STREAM_GONE, NULL, 0);
    stream->has_sent_gone = 1;
    if (stream->has_got_gone) stream->is_used = 0;
}

static void accept_stream(struct port *port, int listener) {
    struct stream *stream = streams;
    while (stream < streams + MOST_STREAMS && stream->is_used) stream++;
    if (stream == streams + MOST_STREAMS) return; /* it waits in the queue of the listener */
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    unsigned char *bytes = stream->input.bytes ? stream->input.bytes : malloc(STREAM_WINDOW);
    if (fd < 0 || !bytes) {
        if (fd >= 0) close(fd);
        return;
    }
    *stream = (struct stream){.is_used = 1, .fd = fd, .may_send = STREAM_WINDOW, .input = {bytes, 0, 0, STREAM_WINDOW}};
    put(port, stream, STREAM_OPEN, NULL, 0);
}

static void pass_out(struct port *port, struct stream *stream) {
    unsigned char bytes[STREAM_BYTES];
    size_t most = stream->may_send < sizeof bytes ? stream->may_send : sizeof bytes;
    ssize_t got = read(stream->fd, bytes, most);
    if (got > 0) {
        stream->may_send -= (uint32_t)got;
        put(port, stream, STREAM_DATA, bytes, (size_t)got);
    } else if (got == 0) {
        stream->has_sent_end = 1;
        put(port, stream, STREAM_END, NULL, 0);
    } else if (errno != EAGAIN && errno != EINTR) close_stream(port, stream);
}

static void pass_in(struct port *port, struct stream *stream) {
    struct buffer *input = &stream->input;
    ssize_t length = (ssize_t)(input->end - input->start);
    ssize_t used = length ? write(stream->fd, input->bytes + input->start, (size_t)length) : 0;
    if (used < 0 && errno != EAGAIN && errno != EINTR) {
        close_stream(port, stream);
        return;
    }
    if (used > 0) {
        unsigned char count[4] = {(unsigned char)used, (unsigned char)(used >> 8), (unsigned char)(used >> 16), 0};
        input->start += (size_t)used;
        put(port, stream, STREAM_USED, count, sizeof count);
    }
    if (input->start < input->end) return;
    input->start = input->end = 0;
    if (stream->has_got_end) shutdown(stream->fd, SHUT_WR);
    if (stream->has_got_gone || (stream->has_got_end && stream->has_sent_end)) close_stream(port, stream);
}

static int take_data(struct buffer *input, const unsigned char *data, size_t length) {
    if (input->start) {
        memmove(input->bytes, input->bytes + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    if (length > input->size - input->end) return -1; /* more than the window allows */
    memcpy(input->bytes + input->end, data, length);
    input->end += length;
    return 0;
}

static int take(struct port *port, const struct frame *frame) {
    if (frame->length < ID_BYTES) return -1;
    size_t id = (size_t)(frame->payload[0] | frame->payload[1] << 8);
    if (id >= MOST_STREAMS || !streams[id].is_used) return -1;
    struct stream *stream = &streams[id];
    const unsigned char *data = frame->payload + ID_BYTES;
    size_t length = frame->length - ID_BYTES;
    if (frame->type == STREAM_USED && length == 4) stream->may_send += little32(data);
    if (frame->type == STREAM_END) stream->has_got_end = 1;
    if (frame->type == STREAM_GONE) stream->has_got_gone = 1;
    if (stream->fd < 0) {
        if (stream->has_got_gone) stream->is_used = 0;
        return 0;
    }
    if (frame->type == STREAM_DATA && take_data(&stream->input, data, length) < 0) return -1;
    pass_in(port, stream);
    return 0;
}

static int has_free_stream(void) {
    for (size_t i = 0; i < MOST_STREAMS; i++)
        if (!streams[i].is_used) return 1;
    return 0;
}

static short events_of(const struct stream *stream, int has_room) {
    short wanted = 0;
    if (has_room && !stream->has_sent_end && stream->may_send) wanted |= POLLIN;
    if (stream->input.start < stream->input.end) wanted |= POLLOUT;
    return wanted;
}

static int is_behind; /* frames of the host wait for room for what they will be answered with */

static int take_frames(struct port *port) {
    struct frame frame;
    int found = 0;
    while (port_room(port) > MOST_ANSWERS && (found = port_next(port, &frame)) > 0)
        if (take(port, &frame) < 0) return -1;
    is_behind = found > 0;
    return found < 0 ? -1 : 0;
}

static int step(struct port *port, int listener) {
    struct pollfd looks[2 + MOST_STREAMS];
    /* Whatever else is put in one round has room, too. */
    int has_room = port_room(port) > (MOST_STREAMS + 1) * 64 + MOST_STREAMS * (STREAM_BYTES + 64);
    short port_events = POLLIN | (port->out.end > port->out.start ? POLLOUT : 0);
    looks[0] = (struct pollfd){port->fd, port_events, 0};
    looks[1] = (struct pollfd){has_room && has_free_stream() ? listener : -1, POLLIN, 0};
    for (size_t i = 0; i < MOST_STREAMS; i++) {
        short wanted = streams[i].is_used && streams[i].fd >= 0 ? events_of(&streams[i], has_room) : 0;
        looks[2 + i] = (struct pollfd){wanted ? streams[i].fd : -1, wanted, 0};
    }
    poll(looks, sizeof looks / sizeof *looks, is_behind ? 0 : 1000);
    if (looks[0].revents & POLLHUP && !(looks[0].revents & POLLIN)) return -1;
    if (looks[0].revents & POLLIN && port_fill(port) < 0) return -1;
    if (take_frames(port) < 0) return -1;
    for (size_t i = 0; i < MOST_STREAMS; i++) {
        struct stream *stream = &streams[i];
        short seen = looks[2 + i].revents;
        if (seen & POLLOUT && stream->fd >= 0) pass_in(port, stream);
        if (seen & (POLLIN | POLLHUP | POLLERR) && stream->fd >= 0 && !stream->has_sent_end && stream->may_send) pass_out(port, stream);
    }
    if (looks[1].revents & POLLIN) accept_stream(port, listener);
    return port_flush(port);
}

static int listening(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PROXY_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 128) == 0) return listener;
    close(listener);
    return -1;
}

void serve_egress(const char *device) {
    struct port port;
    int listener;
    if (port_open(&port, device) < 0) exit(1);
    while ((listener = listening()) < 0) sleep(1); /* the loopback may not be up yet */
    for (;;) {
        if (port_wait_host(&port) < 0) continue;
        while (step(&port, listener) >= 0) {}
        for (size_t i = 0; i < MOST_STREAMS; i++) { /* the host is gone, and what it knew of them, too */
            if (streams[i].is_used && streams[i].fd >= 0) close(streams[i].fd);
            streams[i].is_used = 0;
        }
    }
}
