// One function per C macro, variadic or GNU extension that Swift cannot call. No logic here.
// _GNU_SOURCE is defined in the .c file only: a public header that defines it breaks debug builds.
// No header that Swift's Glibc has, too: which of two modules has SOCK_STREAM then depends on which
// is read first, and builds fail now and then. So ssize_t is long here, pid_t is int.
#ifndef CSTRAIT_H
#define CSTRAIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "CStraitTLS.h"

/* address: a sockaddr. */
int cstrait_accept4(int descriptor, void *address, unsigned int *length);
int cstrait_pipe2(int descriptors[2]);
int cstrait_set_pipe_size(int descriptor, int bytes);
long cstrait_splice(int from, int to, size_t bytes, int more);
int cstrait_set_nonblocking(int descriptor);
int cstrait_bytes_unacknowledged(int descriptor, int *count);
int cstrait_pin_thread(int core);
int cstrait_online_cores(int *cores, int capacity);
int cstrait_spawn_sibling(const char *program, char *const *arguments, char *const *variables,
                          int inherited, int place);
int cstrait_pidfd_open(int process);
int cstrait_pidfd_kill(int process);
/* As many as the kernel takes in one message (SCM_MAX_FD). */
#define CSTRAIT_DESCRIPTORS_MAX 253
long cstrait_send_descriptors(int socket, const void *bytes, size_t count, const int *descriptors,
                              int descriptor_count);
long cstrait_receive_descriptors(int socket, void *bytes, size_t capacity, int *descriptors,
                                 int *descriptor_count, int *is_cut);
void cstrait_name_thread(const char *name);
uint32_t cstrait_epoll_exclusive(void);
uint32_t cstrait_epoll_edge_triggered(void);
uint32_t cstrait_epoll_read_hangup(void);
int cstrait_tcp_user_timeout(void);
int cstrait_tcp_defer_accept(void);
int cstrait_bind_address_no_port(void);
int cstrait_dns_query(const char *name, int type, unsigned char *answer, int length);
/* bpf(2), whose argument is a union. Descriptors are close-on-exec; -1 and errno where it fails. */
enum { CSTRAIT_BPF_ARRAY = 2, CSTRAIT_BPF_SOCKMAP = 15, CSTRAIT_BPF_MMAPABLE = 1 << 10 };
int cstrait_bpf_create_map(uint32_t type, uint32_t value_bytes, uint32_t entries, uint32_t flags,
                           const char *name);
int cstrait_bpf_update(int map, uint32_t key, const void *value);
int cstrait_bpf_load_socket_lookup(const uint64_t *instructions, uint32_t count, const char *name);
int cstrait_bpf_link_network(int program, int network);
int cstrait_bpf_info(int descriptor, void *info, uint32_t bytes);
/* Of this thread; a bit each, capabilities(7). 0 where the kernel does not tell. */
uint64_t cstrait_effective_capabilities(void);
const char *cstrait_commit(void);
int cstrait_give_back_memory(void);

#endif
