/* One process per port of the host. As the first process of a guest it also looks after orphans. */
#define _GNU_SOURCE
#include "agent.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME "org.agent-swarm."
#define EGRESS_NAME PORT_NAME "egress"
#define PORTS "/sys/class/virtio-ports"
#define MOST_PORTS 16

struct server { pid_t pid; int is_egress; char device[64]; };

static int is_frozen;

static void put_answer(struct port *port, const char *what, const char *why) {
    if (why) port_fail(port, what, why);
    else port_put(port, DONE, NULL, 0);
}

static int answer(struct port *port, struct frame *frame) {
    switch (frame->type) {
    case EXECUTE: return run_process(port, frame);
    case CONNECT: return run_connection(port, frame);
    case PERSONALISE: put_answer(port, "cannot personalise the guest", personalise(frame)); break;
    case FREEZE:
    case THAW: {
        const char *why = set_frozen(frame->type == FREEZE);
        if (!why) is_frozen = frame->type == FREEZE;
        put_answer(port, "cannot freeze or thaw the disk", why);
        break;
    }
    case POWER_OFF:
        put_answer(port, "", NULL);
        port_finish(port);
        if (fork() == 0) {
            power_off();
            _exit(1);
        }
        break;
    case INPUT: case INPUT_END: case SIGNAL: case RESIZE: return 0; /* its command has ended meanwhile */
    default: port_fail(port, "unknown request", "this agent is older than the host's program");
    }
    return port_finish(port);
}

static void serve_port(const char *device) {
    struct port port;
    struct frame frame;
    if (port_open(&port, device) < 0) exit(1);
    for (;;) {
        if (port_wait_host(&port) < 0) continue;
        while (port_await(&port, &frame) > 0 && answer(&port, &frame) >= 0) {}
        if (is_frozen) is_frozen = set_frozen(0) != NULL; /* whoever froze it is gone */
    }
}

static void start_server(struct server *server) {
    server->pid = fork();
    if (server->pid != 0) return;
    if (server->is_egress) serve_egress(server->device);
    else serve_port(server->device);
}

static int is_ours(const char *port, int *is_egress) {
    char path[300], name[64] = "";
    snprintf(path, sizeof path, PORTS "/%s/name", port);
    FILE *file = fopen(path, "re");
    if (file && !fgets(name, sizeof name, file)) name[0] = 0;
    if (file) fclose(file);
    *is_egress = strncmp(name, EGRESS_NAME, strlen(EGRESS_NAME)) == 0;
    return strncmp(name, PORT_NAME, strlen(PORT_NAME)) == 0;
}

static int is_served(const struct server *servers, size_t count, const char *port) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(servers[i].device + strlen("/dev/"), port) == 0) return 1;
    return 0;
}

static size_t find_ports(struct server *servers, size_t count) {
    DIR *folder = opendir(PORTS);
    struct dirent *entry;
    while (folder && count < MOST_PORTS && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.' || is_served(servers, count, entry->d_name)) continue;
        if (!is_ours(entry->d_name, &servers[count].is_egress)) continue;
        snprintf(servers[count].device, sizeof servers[count].device, "/dev/%.50s", entry->d_name);
        start_server(&servers[count++]);
    }
    if (folder) closedir(folder);
    return count;
}

/* Of a server that ended a new one takes the place; other children are orphans of the guest. */
static void look_after(struct server *servers, size_t count) {
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < count; i++)
            if (servers[i].pid == ended) start_server(&servers[i]);
}

int main(void) {
    static struct server servers[MOST_PORTS];
    size_t count = 0;
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGIO);
    sigaddset(&ours, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ours, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct timespec at_most = {count ? 5 : 0, count ? 0 : 100000000};
        count = find_ports(servers, count);
        look_after(servers, count);
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigtimedwait(&child, NULL, &at_most);
    }
}
