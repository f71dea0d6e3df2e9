#define _GNU_SOURCE
#include "CStrait.h"

#include <fcntl.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int cstrait_accept4(int descriptor, void *address, unsigned int *length) {
    return accept4(descriptor, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int cstrait_pipe2(int descriptors[2]) { return pipe2(descriptors, O_NONBLOCK | O_CLOEXEC); }

int cstrait_set_pipe_size(int descriptor, int bytes) {
    return fcntl(descriptor, F_SETPIPE_SZ, bytes);
}

long cstrait_splice(int from, int to, size_t bytes, int more) {
    unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0);
    return splice(from, NULL, to, NULL, bytes, flags);
}

int cstrait_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 ? flags : fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

int cstrait_bytes_unacknowledged(int descriptor, int *count) {
    return ioctl(descriptor, SIOCOUTQ, count);
}

int cstrait_pin_thread(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int cstrait_online_cores(int *cores, int capacity) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
    int count = 0;
    for (int core = 0; core < CPU_SETSIZE && count < capacity; core++)
        if (CPU_ISSET(core, &set)) cores[count++] = core;
    return count;
}

/* All of it in C, as nothing of Swift may run between a fork and an exec. Its parent is ours (CLONE_PARENT):
   whoever watches this process is told of that one's end, too. -1 and errno where it cannot be started. */
int cstrait_spawn_sibling(const char *program, char *const *arguments, char *const *variables,
                         int inherited, int place) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    int verdict = fcntl(ends[1], F_DUPFD_CLOEXEC, place + 1);
    close(ends[1]);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = verdict < 0 ? -1 : (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
    int error = errno;
    if (child == 0) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
        if (inherited == place ? fcntl(place, F_SETFD, 0) == 0 : dup2(inherited, place) == place) {
            close_range((unsigned)place + 1, ~0U, CLOSE_RANGE_CLOEXEC);
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, NULL);
            execve(program, arguments, variables);
        }
        error = errno;
        while (write(verdict, &error, sizeof error) < 0 && errno == EINTR) {}
        _exit(127);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (verdict >= 0) close(verdict);
    ssize_t count = 0;
    if (child > 0) {
        while ((count = read(ends[0], &error, sizeof error)) < 0 && errno == EINTR) {}
    }
    close(ends[0]);
    if (child > 0 && count == 0) return child;
    errno = error;
    return -1;
}

int cstrait_pidfd_open(int process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int cstrait_pidfd_kill(int process) { return (int)syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0); }

/* CMSG_* are macros. */
long cstrait_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors,
                              int descriptor_count) {
    char control[CMSG_SPACE(sizeof(int) * CSTRAIT_DESCRIPTORS_MAX)] = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t length = sizeof(int) * (size_t)descriptor_count;
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(length);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(header), descriptors, length);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

long cstrait_receive_descriptors(int socket, void *bytes, size_t capacity, int *descriptors,
                                 int *descriptor_count, int *is_cut) {
    char control[CMSG_SPACE(sizeof(int) * CSTRAIT_DESCRIPTORS_MAX)];
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    *descriptor_count = 0;
    *is_cut = count >= 0 && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (count < 0) return count;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        *descriptor_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors, CMSG_DATA(header), sizeof(int) * (size_t)*descriptor_count);
    }
    return count;
}

void cstrait_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

uint32_t cstrait_epoll_exclusive(void) { return EPOLLEXCLUSIVE; }
uint32_t cstrait_epoll_edge_triggered(void) { return EPOLLET; }
uint32_t cstrait_epoll_read_hangup(void) { return EPOLLRDHUP; }
int cstrait_tcp_user_timeout(void) { return TCP_USER_TIMEOUT; }
int cstrait_tcp_defer_accept(void) { return TCP_DEFER_ACCEPT; }
int cstrait_bind_address_no_port(void) { return IP_BIND_ADDRESS_NO_PORT; }
// One question to the resolvers of resolv.conf, which is read anew: the length of the answer, or the
// negative of what h_errno would be.
int cstrait_dns_query(const char *name, int type, unsigned char *answer, int length) {
    struct __res_state state = {0};
    if (res_ninit(&state) != 0) return -TRY_AGAIN;
    state.retrans = 2;
    state.retry = 2;
    int count = res_nquery(&state, name, ns_c_in, type, answer, length);
    int problem = state.res_h_errno;
    res_nclose(&state);
    return count >= 0 ? count : problem > 0 ? -problem : -TRY_AGAIN;
}

static int bpf_call(int command, union bpf_attr *argument) {
    return (int)syscall(SYS_bpf, command, argument, sizeof *argument);
}

_Static_assert(CSTRAIT_BPF_ARRAY == BPF_MAP_TYPE_ARRAY && CSTRAIT_BPF_SOCKMAP == BPF_MAP_TYPE_SOCKMAP &&
               CSTRAIT_BPF_MMAPABLE == BPF_F_MMAPABLE, "as the kernel's headers have it");

int cstrait_bpf_create_map(uint32_t type, uint32_t value_bytes, uint32_t entries, uint32_t flags,
                           const char *name) {
    union bpf_attr argument = {.map_type = type, .key_size = sizeof(uint32_t), .value_size = value_bytes,
                               .max_entries = entries, .map_flags = flags};
    strncpy(argument.map_name, name, sizeof argument.map_name - 1);
    return bpf_call(BPF_MAP_CREATE, &argument);
}

int cstrait_bpf_update(int map, uint32_t key, const void *value) {
    union bpf_attr argument = {.map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)value};
    return bpf_call(BPF_MAP_UPDATE_ELEM, &argument);
}

int cstrait_bpf_load_socket_lookup(const uint64_t *instructions, uint32_t count, const char *name) {
    union bpf_attr argument = {.prog_type = BPF_PROG_TYPE_SK_LOOKUP, .insn_cnt = count,
                               .insns = (uintptr_t)instructions, .license = (uintptr_t)"Apache-2.0",
                               .expected_attach_type = BPF_SK_LOOKUP};
    strncpy(argument.prog_name, name, sizeof argument.prog_name - 1);
    return bpf_call(BPF_PROG_LOAD, &argument);
}

int cstrait_bpf_link_network(int program, int network) {
    union bpf_attr argument = {.link_create = {.prog_fd = (uint32_t)program, .target_fd = (uint32_t)network,
                                               .attach_type = BPF_SK_LOOKUP}};
    return bpf_call(BPF_LINK_CREATE, &argument);
}

int cstrait_bpf_info(int descriptor, void *info, uint32_t bytes) {
    union bpf_attr argument = {.info = {.bpf_fd = (uint32_t)descriptor, .info_len = bytes,
                                        .info = (uintptr_t)info}};
    return bpf_call(BPF_OBJ_GET_INFO_BY_FD, &argument);
}

uint64_t cstrait_effective_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) != 0) return 0;
    return (uint64_t)data[1].effective << 32 | data[0].effective;
}

const char *cstrait_commit(void) { return STRAIT_COMMIT; }

// jemalloc's; weak, as not every program that links this links jemalloc.
__attribute__((weak)) int mallctl(const char *, void *, size_t *, void *, size_t);

// 4096 stands for all arenas.
int cstrait_give_back_memory(void) {
    return mallctl ? mallctl("arena.4096.purge", NULL, NULL, NULL, 0) : -1;
}
