/* Streams between the port and a process, or a connection, until that has ended. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAST_WORDS_MS 250 /* what a process left behind may still say once it has ended */

struct session {
    struct port *port;
    pid_t pid;
    int in, out, err, children;
    int is_connection, is_terminal, input_ended, has_ended, status, timed_out;
    int64_t ends_at, closes_at;
    struct buffer input;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_stream(int *stream) {
    if (*stream >= 0) close(*stream);
    *stream = -1;
}

static void kill_all(const struct session *session, int number) {
    if (session->pid > 0) kill(-session->pid, number);
}

static void use_input(struct session *session, size_t length) {
    unsigned char used[4] = {(unsigned char)length, (unsigned char)(length >> 8), (unsigned char)(length >> 16), (unsigned char)(length >> 24)};
    if (length) port_put(session->port, WINDOW, used, sizeof used);
}

static void end_input(struct session *session) {
    if (session->input.start < session->input.end || !session->input_ended || session->in < 0) return;
    if (session->is_connection) shutdown(session->in, SHUT_WR);
    else if (session->is_terminal) {
        if (write(session->in, "\4", 1) < 0) return; /* Ctrl-D: a terminal has no other end of input */
        session->input_ended = 0;
    } else close_stream(&session->in);
}

static void pass_input(struct session *session) {
    struct buffer *input = &session->input;
    size_t length = input->end - input->start;
    ssize_t put = session->in < 0 ? (ssize_t)length : write(session->in, input->bytes + input->start, length);
    if (put < 0 && errno != EAGAIN && errno != EINTR) { /* nobody reads it any more */
        if (!session->is_connection) close_stream(&session->in);
        put = (ssize_t)length;
    }
    if (put <= 0) return;
    input->start += (size_t)put;
    use_input(session, (size_t)put);
    if (input->start == input->end) input->start = input->end = 0;
    end_input(session);
}

static int take_input(struct session *session, const struct frame *frame) {
    struct buffer *input = &session->input;
    if (input->start) {
        memmove(input->bytes, input->bytes + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    if (frame->length > input->size - input->end) return -1; /* more than the window allows */
    memcpy(input->bytes + input->end, frame->payload, frame->length);
    input->end += frame->length;
    pass_input(session);
    return 0;
}

static int take_frames(struct session *session) {
    struct frame frame;
    int found;
    while ((found = port_next(session->port, &frame)) > 0) {
        if (frame.type == INPUT && take_input(session, &frame) < 0) return -1;
        if (frame.type == SIGNAL && frame.length == 1) kill_all(session, frame.payload[0]);
        if (frame.type == RESIZE && frame.length == 4 && session->is_terminal) resize_terminal(session->out, frame.payload);
        if (frame.type == INPUT_END) {
            session->input_ended = 1;
            end_input(session);
        }
    }
    return found;
}

static void pass_output(struct session *session, int *stream, uint8_t type) {
    static unsigned char bytes[DATA_BYTES];
    size_t room = port_room(session->port);
    ssize_t got = read(*stream, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (got > 0) port_put(session->port, type, bytes, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (session->is_connection) session->has_ended = 1, session->in = -1;
        close_stream(stream);
    }
}

static void look_for_end(struct session *session) {
    struct signalfd_siginfo ignored;
    while (read(session->children, &ignored, sizeof ignored) > 0) {}
    if (session->pid > 0 && !session->has_ended && waitpid(session->pid, &session->status, WNOHANG) == session->pid) {
        session->has_ended = 1;
        session->closes_at = now_ms() + LAST_WORDS_MS;
    }
    if (session->ends_at && now_ms() >= session->ends_at && !session->has_ended) {
        session->timed_out = 1;
        kill_all(session, SIGKILL);
    }
}

static int is_over(const struct session *session) {
    if (!session->has_ended) return 0;
    return (session->out < 0 && session->err < 0) || (!session->is_connection && now_ms() >= session->closes_at);
}

static int wait_ms(const struct session *session) {
    int64_t until = session->has_ended ? session->closes_at : session->ends_at;
    if (session->timed_out && !session->has_ended) return 1000;
    if (!until) return 1000;
    int64_t left = until - now_ms();
    return left < 0 ? 0 : left > 1000 ? 1000 : (int)left;
}

/* One look at everything that can happen; -1 where the host is gone. */
static int step(struct session *session) {
    int may_read = port_room(session->port) >= DATA_BYTES / 2;
    short port_events = POLLIN | (session->port->out.end > session->port->out.start ? POLLOUT : 0);
    struct pollfd looks[] = {
        {session->port->fd, port_events, 0},
        {session->input.end > session->input.start ? session->in : -1, POLLOUT, 0},
        {may_read ? session->out : -1, POLLIN, 0},
        {may_read ? session->err : -1, POLLIN, 0},
        {session->children, POLLIN, 0},
    };
    poll(looks, sizeof looks / sizeof *looks, wait_ms(session));
    if (looks[0].revents & POLLHUP && !(looks[0].revents & POLLIN)) return -1;
    if (looks[0].revents & POLLIN && (port_fill(session->port) < 0 || take_frames(session) < 0)) return -1;
    if (looks[1].revents) pass_input(session);
    if (looks[2].revents && session->out >= 0) pass_output(session, &session->out, OUTPUT);
    if (looks[3].revents && session->err >= 0) pass_output(session, &session->err, ERRORS);
    look_for_end(session);
    return port_flush(session->port);
}

static int serve(struct session *session) {
    sigset_t child;
    int answer = 0;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    session->children = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    session->input.bytes = malloc(WINDOW_BYTES);
    session->input.size = WINDOW_BYTES;
    answer = session->input.bytes ? take_frames(session) : -1; /* what came together with the request */
    while (answer >= 0 && !is_over(session)) answer = step(session);
    close_stream(&session->children);
    if (!session->is_connection) close_stream(&session->in);
    close_stream(&session->out);
    close_stream(&session->err);
    free(session->input.bytes);
    return answer < 0 ? -1 : 0;
}

static void put_end(struct session *session) {
    int was_signalled = WIFSIGNALED(session->status);
    unsigned char ended[2] = {EXITED, (unsigned char)WEXITSTATUS(session->status)};
    if (was_signalled) ended[0] = SIGNALLED, ended[1] = (unsigned char)WTERMSIG(session->status);
    if (session->timed_out) ended[0] = TIMED_OUT, ended[1] = 0;
    port_put(session->port, ENDED, ended, sizeof ended);
}

int run_process(struct port *port, struct frame *request) {
    struct process process = {.in = -1, .out = -1, .err = -1};
    const char *why = start_process(request, &process);
    if (why) {
        port_fail(port, "cannot start the command", why);
        return port_finish(port);
    }
    struct session session = {.port = port, .pid = process.pid, .in = process.in, .out = process.out, .err = process.err};
    session.is_terminal = process.is_terminal;
    session.ends_at = process.timeout_ms ? now_ms() + process.timeout_ms : 0;
    if (serve(&session) < 0) { /* whoever asked for it is gone, so what it started goes, too */
        kill_all(&session, SIGKILL);
        if (!session.has_ended) waitpid(session.pid, &session.status, 0);
        return -1;
    }
    put_end(&session);
    return port_finish(port);
}

int run_connection(struct port *port, struct frame *request) {
    int connection = -1;
    const char *why = connect_port(request, &connection);
    if (why) {
        port_fail(port, "cannot connect", why);
        return port_finish(port);
    }
    struct session session = {.port = port, .in = connection, .out = connection, .err = -1, .is_connection = 1};
    if (serve(&session) < 0) return -1;
    put_end(&session);
    return port_finish(port);
}
