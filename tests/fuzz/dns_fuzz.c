/* Packets at the pods' name server. */
#include "kubelet/dns.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum dns_verdict lookup(unused void *ctx, const char *name, uint32_t *ips, size_t *n)
{
    assert(strlen(name) <= DNS_NAME_MAX);
    while (*n < DNS_IPS_MAX && *n < strlen(name))
        ips[(*n)++] = 1;
    return *name == 'x' ? DNS_FOREIGN : *name == 'y' ? DNS_UNKNOWN : DNS_KNOWN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice query = {(const char *)data, size};
    struct buf out cleanup(buf_done) = BUF_INIT;
    bool foreign;

    if (dns_answer(query, lookup, NULL, &out, &foreign))
        assert(out.len >= 12 && memcmp(out.data, data, 2) == 0);
    buf_reset(&out);
    if (dns_refuse(query, &out))
        assert((out.data[3] & 15) == 3);
    return 0;
}
