// The least that a proxy can cost on this machine: an epoll loop in C without limits, logs,
// deadlines, metrics or a routing table. A row of the benchmark, never a product.
//
//   floor PASS_PORT TLS_PORT CHAIN KEY NAME=PORT...     NAME: found anywhere in the ClientHello
//
// Passthrough copies; TLS is libssl on a gathering BIO, one send a flight, one ticket.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 20000, BUFFER = 65536, ROUTES = 16 };

struct side {
    int fd;
    int ended;    // FIN read
    SSL *ssl;
};
struct pair {
    struct side side[2];    // downstream, upstream
    int is_tls, established;
};

static struct pair pairs[SLOTS];
static int free_slots[SLOTS], free_count;
static char buffer[BUFFER], gathered[BUFFER * 2];
static size_t gathered_count;
static int bio_fd, poller;
static struct { const char *name; int port; } routes[ROUTES];
static int route_count;
static SSL_CTX *context;
static BIO_METHOD *method;

static void die(const char *what) { perror(what); exit(1); }

static int bio_read(BIO *bio, char *bytes, size_t count, size_t *taken) {
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(bio_fd, bytes, count, MSG_DONTWAIT);
    *taken = got > 0 ? (size_t)got : 0;
    if (got > 0) return 1;
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    return got == 0 ? 0 : -1;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *taken) {
    BIO_clear_retry_flags(bio);
    if (gathered_count + count > sizeof gathered) return -1;
    memcpy(gathered + gathered_count, bytes, count);
    gathered_count += count;
    *taken = count;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static void send_gathered(int fd) {
    if (gathered_count && send(fd, gathered, gathered_count, MSG_NOSIGNAL) < 0) { }
    gathered_count = 0;
}

static void watch(int fd, int slot, int side) {
    struct epoll_event event = { EPOLLIN | EPOLLRDHUP | EPOLLET, { .u64 = (uint64_t)slot * 2 + side } };
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, seconds = 5;
    struct sockaddr_in address = { AF_INET, htons(port), { htonl(INADDR_LOOPBACK) }, { 0 } };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    return fd;
}

static void close_pair(int slot) {
    struct pair *pair = &pairs[slot];
    for (int side = 0; side < 2; side++) {
        if (pair->side[side].ssl) SSL_free(pair->side[side].ssl);
        if (pair->side[side].fd > 0) close(pair->side[side].fd);
    }
    memset(pair, 0, sizeof *pair);
    free_slots[free_count++] = slot;
}

static int dial(int slot, const char *name) {
    int on = 1, fd, route = 0;
    while (route < route_count && strcmp(routes[route].name, name)) route++;
    if (route == route_count) return -1;
    struct sockaddr_in to = { AF_INET, htons(routes[route].port), { htonl(INADDR_LOOPBACK) }, { 0 } };
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (void *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    pairs[slot].side[1].fd = fd;
    pairs[slot].established = 1;
    return fd;
}

static const char *name_in(const char *hello, size_t count) {
    for (int route = 0; route < route_count; route++)
        if (memmem(hello, count, routes[route].name, strlen(routes[route].name)))
            return routes[route].name;
    return "";
}

static void pass_on(int slot, int from);

static void accept_all(int listener, int is_tls) {
    for (;;) {
        int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) return;
        int slot = free_slots[--free_count];
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pairs[slot].side[0].fd = fd;
        pairs[slot].is_tls = is_tls;
        if (is_tls) {
            SSL *ssl = pairs[slot].side[0].ssl = SSL_new(context);
            BIO *bio = BIO_new(method);
            BIO_set_init(bio, 1);
            SSL_set_bio(ssl, bio, bio);
            SSL_set_accept_state(ssl);
            watch(fd, slot, 0);
            pass_on(slot, 0);
            continue;
        }
        ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        int upstream = count > 0 ? dial(slot, name_in(buffer, (size_t)count)) : -1;
        if (upstream < 0) { close_pair(slot); continue; }
        if (send(upstream, buffer, (size_t)count, MSG_NOSIGNAL) != count) die("first bytes");
        watch(upstream, slot, 1);
        watch(fd, slot, 0);
    }
}

static int handshake(int slot) {
    struct pair *pair = &pairs[slot];
    bio_fd = pair->side[0].fd;
    int result = SSL_do_handshake(pair->side[0].ssl);
    if (result == 1) {
        if (dial(slot, SSL_get_servername(pair->side[0].ssl, TLSEXT_NAMETYPE_host_name)) < 0) return -1;
        return 1;
    }
    if (SSL_get_error(pair->side[0].ssl, result) != SSL_ERROR_WANT_READ) { ERR_clear_error(); return -1; }
    send_gathered(bio_fd);
    return 0;
}

// Bytes from one side to the other, until nothing more is there.
static void pass_on(int slot, int from) {
    struct pair *pair = &pairs[slot];
    struct side *source = &pair->side[from], *target = &pair->side[1 - from];
    int fresh = 0;
    if (source->fd <= 0 || source->ended) return;
    if (pair->is_tls && !pair->established) {
        int state = handshake(slot);
        if (state < 0) { gathered_count = 0; close_pair(slot); return; }
        if (state == 0) return;
        fresh = 1;
    }
    for (;;) {
        size_t count = 0;
        if (source->ssl) {
            bio_fd = source->fd;
            if (SSL_read_ex(source->ssl, buffer, sizeof buffer, &count) != 1) {
                count = 0;
                source->ended = SSL_get_error(source->ssl, 0) != SSL_ERROR_WANT_READ;
                ERR_clear_error();
                if (!source->ended) break;
            }
        } else {
            ssize_t got = recv(source->fd, buffer, sizeof buffer, 0);
            if (got < 0 && errno == EAGAIN) break;
            source->ended = got <= 0;
            count = got > 0 ? (size_t)got : 0;
        }
        if (source->ended) {
            if (target->ssl) {
                bio_fd = target->fd;
                SSL_shutdown(target->ssl);
                send_gathered(target->fd);
            }
            shutdown(target->fd, SHUT_WR);
            break;
        }
        if (target->ssl) {
            size_t taken;
            bio_fd = target->fd;
            SSL_write_ex(target->ssl, buffer, count, &taken);
            send_gathered(target->fd);
        } else {
            for (size_t sent = 0; sent < count;) {
                ssize_t some = send(target->fd, buffer + sent, count - sent, MSG_NOSIGNAL);
                if (some < 0) { close_pair(slot); return; }    // no back-pressure here
                sent += (size_t)some;
            }
        }
        if (!source->ssl && count < sizeof buffer) break;    // an edge will tell of more
        if (source->ssl && !SSL_has_pending(source->ssl)) break;
    }
    if (fresh) {
        if (gathered_count) send_gathered(pair->side[0].fd);
        watch(pair->side[1].fd, slot, 1);
    }
    if (pair->side[0].ended && pair->side[1].ended) close_pair(slot);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc < 6) return 2;
    for (int index = 5; index < argc && route_count < ROUTES; index++) {
        char *equals = strchr(argv[index], '=');
        if (!equals) return 2;
        *equals = 0;
        routes[route_count].name = argv[index];
        routes[route_count++].port = atoi(equals + 1);
    }
    for (int slot = SLOTS - 1; slot > 0; slot--) free_slots[free_count++] = slot;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "floor");
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set1_groups_list(context, "X25519:P-256");
    if (SSL_CTX_use_certificate_chain_file(context, argv[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[4], SSL_FILETYPE_PEM) != 1) return 3;
    poller = epoll_create1(0);
    int listeners[2] = { listen_on(atoi(argv[1])), listen_on(atoi(argv[2])) };
    for (int index = 0; index < 2; index++) {
        struct epoll_event event = { EPOLLIN, { .u64 = (uint64_t)-1 - (uint64_t)index } };
        epoll_ctl(poller, EPOLL_CTL_ADD, listeners[index], &event);
    }
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int index = 0; index < count; index++) {
            uint64_t token = events[index].data.u64;
            if (token >= (uint64_t)-2) accept_all(listeners[(uint64_t)-1 - token], token == (uint64_t)-2);
            else {
                int slot = (int)(token / 2), side = (int)(token % 2);
                pass_on(slot, side);
                if ((events[index].events & EPOLLRDHUP) && pairs[slot].side[side].fd > 0)
                    pass_on(slot, side);
            }
        }
    }
}
