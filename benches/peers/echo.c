/* The floor for a socket server: level-triggered epoll, one read and one write per event, no parsing, no table.
 *
 * usage: echo SOCKET REQUEST_BYTES REPLY_BYTES
 *
 * For every REQUEST_BYTES read it writes REPLY_BYTES, so that it moves the same bytes as a cache answering GET; what
 * a cache spends above this is the price of being a cache. One process, one thread, no options, until it is killed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BUFFER_BYTES = 1 << 16, CONNECTIONS_MAX = 1 << 16 };

static char input[BUFFER_BYTES];
static char output[BUFFER_BYTES * 4];
/* Bytes of a request that has not fully arrived, by file descriptor: a torn request is answered when it is whole. */
static unsigned pending[CONNECTIONS_MAX];

static void die(const char *what) {
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void serve(int fd, size_t request_bytes, size_t reply_bytes) {
    ssize_t got = read(fd, input, sizeof input);
    if (got <= 0) {
        pending[fd] = 0;
        close(fd);
        return;
    }
    size_t have = pending[fd] + (size_t)got;
    size_t answer = have / request_bytes * reply_bytes;
    pending[fd] = (unsigned)(have % request_bytes);
    if (answer > sizeof output) {
        errno = EMSGSIZE;
        die("pipeline too deep");
    }
    if (answer > 0 && write(fd, output, answer) != (ssize_t)answer && errno != EPIPE && errno != ECONNRESET) die("write");
}

int main(int argc, char **argv) {
    if (argc != 4 || atoi(argv[2]) <= 0 || atoi(argv[3]) <= 0) {
        fprintf(stderr, "usage: echo SOCKET REQUEST_BYTES REPLY_BYTES\n");
        return 2;
    }
    /* A client that went away is an error of write(2), not the end of the server. */
    signal(SIGPIPE, SIG_IGN);
    size_t request_bytes = (size_t)atoi(argv[2]), reply_bytes = (size_t)atoi(argv[3]);
    memset(output, '+', sizeof output);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(argv[1]) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        die("socket");
    }
    strcpy(address.sun_path, argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(listener, 4096) < 0) die("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) die("epoll_create1");
    watch(epoll, listener);

    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client >= CONNECTIONS_MAX) close(client);
                else if (client >= 0) watch(epoll, client);
            } else {
                serve(fd, request_bytes, reply_bytes);
            }
        }
    }
}
