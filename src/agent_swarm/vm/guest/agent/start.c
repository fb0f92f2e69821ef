/* A process as the host wants it: arguments, environment, folder, user. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST_GROUPS 64
#define OWN_VARIABLES 6

extern char **environ;

struct wish { char **argv, **env, *cwd, *user; size_t argc, envc; uint32_t timeout_ms; const unsigned char *terminal; };
struct person { uid_t uid; gid_t gid; char name[64], home[256], shell[128]; };

static int read_wish(struct frame *request, struct wish *wish) {
    struct fields fields = {request->payload, request->payload + request->length};
    size_t most = request->length / 6 + OWN_VARIABLES + 2;
    uint8_t tag;
    char *text;
    uint32_t length;
    memset(wish, 0, sizeof *wish);
    wish->argv = calloc(most, sizeof *wish->argv);
    wish->env = calloc(most, sizeof *wish->env);
    if (!wish->argv || !wish->env) return -1;
    while (field_next(&fields, &tag, &text, &length)) {
        if (tag == 'a') wish->argv[wish->argc++] = text;
        else if (tag == 'e') wish->env[wish->envc++] = text;
        else if (tag == 'd') wish->cwd = text;
        else if (tag == 'u') wish->user = text;
        else if (tag == 'w' && length == 4) wish->terminal = (unsigned char *)text;
        else if (tag == 't' && length == 4) wish->timeout_ms = little32((unsigned char *)text);
    }
    return fields.at == fields.end && wish->argc > 0 ? 0 : -1;
}

/* /etc/passwd by hand: the C library's own look-up loads libraries, which a static program has not. */
static int read_person(char *line, const char *name, struct person *person) {
    char *field[7] = {0}, *rest = line;
    for (int i = 0; i < 7; i++)
        if (!(field[i] = strsep(&rest, ":\n"))) return -1;
    if (strcmp(field[0], name) != 0) return -1;
    snprintf(person->name, sizeof person->name, "%s", field[0]);
    snprintf(person->home, sizeof person->home, "%s", field[5]);
    snprintf(person->shell, sizeof person->shell, "%s", field[6]);
    person->uid = (uid_t)strtoul(field[2], NULL, 10);
    person->gid = (gid_t)strtoul(field[3], NULL, 10);
    return 0;
}

static int find_person(const char *name, struct person *person) {
    char line[1024];
    FILE *file = fopen("/etc/passwd", "re");
    int found = -1;
    while (file && found < 0 && fgets(line, sizeof line, file)) found = read_person(line, name, person);
    if (file) fclose(file);
    return found;
}

static int is_member(char *members, const char *name) {
    char *rest = NULL;
    for (char *one = strtok_r(members, ",\n", &rest); one; one = strtok_r(NULL, ",\n", &rest))
        if (strcmp(one, name) == 0) return 1;
    return 0;
}

static size_t find_groups(const struct person *person, gid_t *groups) {
    char line[4096];
    size_t count = 0;
    FILE *file = fopen("/etc/group", "re");
    groups[count++] = person->gid;
    while (file && count < MOST_GROUPS && fgets(line, sizeof line, file)) {
        unsigned gid;
        char *members = strrchr(line, ':');
        if (members && sscanf(line, "%*[^:]:%*[^:]:%u:", &gid) == 1 && is_member(members + 1, person->name)) groups[count++] = gid;
    }
    if (file) fclose(file);
    return count;
}

static const char *become(const struct person *person) {
    gid_t groups[MOST_GROUPS];
    size_t count = find_groups(person, groups);
    if (setgroups(count, groups) < 0 || setgid(person->gid) < 0 || setuid(person->uid) < 0) return "cannot become that user";
    return NULL;
}

/* What the host said comes last and so counts. */
static void build_environment(struct wish *wish, const struct person *person) {
    static char home[300], user[80], logname[80], shell[160], path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    snprintf(home, sizeof home, "HOME=%s", person->home[0] ? person->home : "/");
    snprintf(user, sizeof user, "USER=%s", person->name);
    snprintf(logname, sizeof logname, "LOGNAME=%s", person->name);
    snprintf(shell, sizeof shell, "SHELL=%s", person->shell[0] ? person->shell : "/bin/sh");
    environ = NULL;
    char *own[] = {path, home, user, logname, shell};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) putenv(own[i]);
    for (size_t i = 0; i < wish->envc; i++)
        if (strchr(wish->env[i], '=')) putenv(wish->env[i]);
}

static void tell(int report, const char *why) {
    if (write(report, why, strlen(why)) < 0) _exit(127);
    _exit(127);
}

static void become_process(struct wish *wish, const struct person *person, int streams[3], int report) {
    sigset_t none;
    for (int i = 0; i < 3; i++)
        if (dup2(streams[i], i) < 0) tell(report, strerror(errno));
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (wish->terminal && (ioctl(0, TIOCSCTTY, 0) < 0 || fchown(0, person->uid, person->gid) < 0)) tell(report, strerror(errno));
    build_environment(wish, person);
    if (wish->user) {
        const char *why = become(person);
        if (why) tell(report, why);
    }
    if (chdir(wish->cwd ? wish->cwd : person->home) < 0) {
        if (wish->cwd) tell(report, "cannot enter its folder");
        if (chdir("/") < 0) tell(report, strerror(errno));
    }
    execvp(wish->argv[0], wish->argv);
    tell(report, strerror(errno));
}

static const char *wait_started(int report) {
    static char why[256];
    ssize_t got = read(report, why, sizeof why - 1);
    close(report);
    if (got <= 0) return NULL;
    why[got] = 0;
    return why;
}

void resize_terminal(int terminal, const unsigned char *size) {
    struct winsize window = {.ws_row = (unsigned short)(size[0] | size[1] << 8), .ws_col = (unsigned short)(size[2] | size[3] << 8)};
    ioctl(terminal, TIOCSWINSZ, &window);
}

/* The two ends of everything that the process has open: ours first. */
struct streams { int in[2], out[2], err[2]; };

static int open_terminal(const unsigned char *size, struct streams *streams) {
    char name[64];
    int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ours < 0 || grantpt(ours) < 0 || unlockpt(ours) < 0 || ptsname_r(ours, name, sizeof name) != 0) return -1;
    resize_terminal(ours, size);
    int its = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    *streams = (struct streams){{ours, its}, {fcntl(ours, F_DUPFD_CLOEXEC, 0), fcntl(its, F_DUPFD_CLOEXEC, 0)}, {-1, fcntl(its, F_DUPFD_CLOEXEC, 0)}};
    return its < 0 ? -1 : 0;
}

static int open_pipes(struct streams *streams) {
    int in[2], out[2], err[2];
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) return -1;
    *streams = (struct streams){{in[1], in[0]}, {out[0], out[1]}, {err[0], err[1]}};
    return 0;
}

static const char *launch(struct wish *wish, struct person *person, struct process *process) {
    struct streams streams;
    int report[2];
    if ((wish->terminal ? open_terminal(wish->terminal, &streams) : open_pipes(&streams)) < 0 || pipe2(report, O_CLOEXEC) < 0) return strerror(errno);
    process->pid = fork();
    if (process->pid == 0) become_process(wish, person, (int[]){streams.in[1], streams.out[1], streams.err[1]}, report[1]);
    close(streams.in[1]), close(streams.out[1]), close(streams.err[1]), close(report[1]);
    const char *why = process->pid < 0 ? strerror(errno) : NULL;
    if (!why) why = wait_started(report[0]);
    process->in = streams.in[0], process->out = streams.out[0], process->err = streams.err[0];
    process->is_terminal = wish->terminal != NULL;
    if (why) {
        close(process->in), close(process->out);
        if (process->err >= 0) close(process->err);
    } else fcntl(process->in, F_SETFL, O_NONBLOCK);
    return why;
}

const char *start_process(struct frame *request, struct process *process) {
    struct wish wish;
    struct person person = {0, 0, "root", "/root", "/bin/sh"};
    const char *why = NULL;
    if (read_wish(request, &wish) < 0) why = "the request makes no sense";
    else if (wish.user && find_person(wish.user, &person) < 0) why = "the guest has no such user";
    else why = launch(&wish, &person, process);
    process->timeout_ms = wish.timeout_ms;
    free(wish.argv);
    free(wish.env);
    return why;
}

const char *connect_port(struct frame *request, int *connection) {
    struct fields fields = {request->payload, request->payload + request->length};
    uint8_t tag;
    char *text;
    uint32_t length;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (!field_next(&fields, &tag, &text, &length) || tag != 'p' || length != 4) return "the request makes no sense";
    address.sin_port = htons((uint16_t)little32((unsigned char *)text));
    *connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*connection < 0) return strerror(errno);
    if (connect(*connection, (struct sockaddr *)&address, sizeof address) < 0) {
        close(*connection);
        return strerror(errno);
    }
    fcntl(*connection, F_SETFL, O_NONBLOCK);
    return NULL;
}
