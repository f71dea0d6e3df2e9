// One function per macro of OpenSSL that Swift cannot call. No logic here. OpenSSL's types are only
// named, so that whoever imports CStrait for the kernel does not read its headers.
#ifndef CSTRAIT_TLS_H
#define CSTRAIT_TLS_H

#include <stddef.h>
#include <stdint.h>

struct bio_st;
struct ssl_ctx_st;
struct ssl_st;

/* Contexts. 1 is success where an int is returned. */
int cstrait_tls_set_versions(struct ssl_ctx_st *context);
void cstrait_tls_set_common_options(struct ssl_ctx_st *context);
void cstrait_tls_refuse_tickets(struct ssl_ctx_st *context);
void cstrait_tls_disable_cache(struct ssl_ctx_st *context);
void cstrait_tls_set_modes(struct ssl_ctx_st *context);
int cstrait_tls_set_groups(struct ssl_ctx_st *context, const char *list);
void cstrait_tls_set_chain_bytes_max(struct ssl_ctx_st *context, long bytes);

/* Connections. */
int cstrait_tls_set_server_name(struct ssl_st *ssl, const char *name);
int cstrait_tls_negotiated_group(struct ssl_st *ssl);

/* RFC 2253, with characters beyond ASCII left as UTF-8. */
unsigned long cstrait_tls_name_flags(void);

/* The BIO. */
void cstrait_tls_set_retry_read(struct bio_st *bio);
void cstrait_tls_clear_retry(struct bio_st *bio);

#endif
