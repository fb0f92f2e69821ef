/* The agent that lives in every guest: one process per port of the host, each serving one command of the host at a time.
 *
 * It has no libraries but the C library, so that one static program serves a guest of two megabytes as well as Ubuntu.
 * `docs/vm-guest-agent.md` describes what travels; `frames.py` is the other end.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VERSION 1
#define SYNC_MAGIC "\xf5" "ASWM\x01\r\n" /* 0xf5 is in no UTF-8 text */
#define MAGIC_BYTES 8
#define NONCE_BYTES 16
#define HEADER_BYTES 8
#define DATA_BYTES 65536         /* of one frame with data */
#define REQUEST_BYTES (1 << 20)  /* of any other frame */
#define WINDOW_BYTES (256 << 10) /* of input that the host may send before it is used */

#define STREAM_BYTES 2048         /* of one frame of a connection */
#define STREAM_WINDOW (64 << 10) /* of a connection, that may be under way each way */

enum frame_type {
    EXECUTE = 'E', CONNECT = 'C', PERSONALISE = 'P', POWER_OFF = 'H', FREEZE = 'Z', THAW = 'T',
    INPUT = 'i', INPUT_END = 'e', SIGNAL = 's', RESIZE = 'R',
    HELLO = 'h', OUTPUT = 'o', ERRORS = 'r', WINDOW = 'w', ENDED = 'x', DONE = 'k', FAILED = 'f',
    STREAM_OPEN = 'O', STREAM_DATA = 'd', STREAM_END = 'n', STREAM_USED = 'u', STREAM_GONE = 'g' /* of egress, both ways */
};
enum ending { EXITED = 0, SIGNALLED = 1, TIMED_OUT = 2 };

struct frame { uint8_t type; uint32_t length; unsigned char *payload; };
struct buffer { unsigned char *bytes; size_t start, end, size; };
struct port { int fd; struct buffer in, out; unsigned char nonce[NONCE_BYTES]; /* of the host that was greeted last */ };

/* wire.c: bytes to frames and back. Functions answer -1 where the host has hung up. */
int port_open(struct port *port, const char *path);
int port_wait_host(struct port *port);       /* until somebody is there and has said the magic words */
int port_fill(struct port *port);            /* read what is there; 0 where there is nothing now */
int port_flush(struct port *port);           /* write what can be written now */
int port_finish(struct port *port);          /* write everything */
int port_next(struct port *port, struct frame *frame);   /* 1 where a whole frame is there; -1 where it is none */
int port_await(struct port *port, struct frame *frame);  /* until a whole frame is there */
size_t port_room(const struct port *port);   /* for payload of one more frame */
void port_put(struct port *port, uint8_t type, const void *payload, size_t length);
void port_fail(struct port *port, const char *what, const char *why);

/* fields.c: the fields of a request, each a tag, a length and bytes. */
struct fields { unsigned char *at, *end; };
int field_next(struct fields *fields, uint8_t *tag, char **text, uint32_t *length);  /* text ends with a zero */
uint32_t little32(const unsigned char *bytes);
uint64_t little64(const unsigned char *bytes);

/* start.c: a process as the host wants it. */
struct process { pid_t pid; int in, out, err, is_terminal; uint32_t timeout_ms; };  /* of a terminal, out is all there is to read */
const char *start_process(struct frame *request, struct process *process);  /* NULL, or why not */
void resize_terminal(int terminal, const unsigned char *size);
const char *connect_port(struct frame *request, int *connection);

/* session.c: streams between the port and a process or a connection, to the end. */
int run_process(struct port *port, struct frame *request);
int run_connection(struct port *port, struct frame *request);

/* egress.c: connections of the guest to the outside, which the host makes or refuses. */
void serve_egress(const char *device);

/* host.c: what concerns the guest as a whole. */
const char *personalise(struct frame *request);
const char *set_frozen(int frozen);
void power_off(void);

#endif
