/*
 * The pods' name server: answers A questions about names under cluster.local at once, NXDOMAIN for
 * names that are not there, NOERROR without records for other types of names that are. Everything
 * else goes to the machine's resolver if pods have a way out, and is NXDOMAIN otherwise: nobody
 * shall wait for a time-out.
 */
#ifndef MANTA_KUBELET_DNS_H
#define MANTA_KUBELET_DNS_H

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

#define DNS_NAME_MAX 254
#define DNS_IPS_MAX 24

enum dns_verdict { DNS_KNOWN, DNS_UNKNOWN, DNS_FOREIGN };

/* name: lower case, without the last dot. ips: network byte order, at most DNS_IPS_MAX. */
typedef enum dns_verdict dns_lookup_fn(void *ctx, const char *name, uint32_t *ips, size_t *n);

/*
 * The answer to one packet into out (pure). False: the packet deserves no answer, or its name is
 * foreign (*ret_foreign) and is to be asked elsewhere.
 */
bool dns_answer(struct slice query, dns_lookup_fn *lookup, void *ctx, struct buf *out,
                bool *ret_foreign);
/* NXDOMAIN for a query that has a question. */
bool dns_refuse(struct slice query, struct buf *out);

struct dns;

struct dns_opts {
    int fd; /* a bound UDP socket, taken over */
    bool forward;
    dns_lookup_fn *lookup;
    void *ctx;
};
struct dns *dns_new(uv_loop_t *loop, const struct dns_opts *o);
void dns_free(struct dns *d);

#endif
