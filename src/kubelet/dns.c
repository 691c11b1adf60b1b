#include "kubelet/dns.h"

#include <ctype.h>
#include <string.h>

/* RFC 1035, 4.1.1 */
enum { HEADER = 12, FLAG_QR = 0x80, FLAG_AA = 0x04, FLAG_RD = 0x01, FLAG_RA = 0x80 };
enum { TYPE_A = 1, CLASS_IN = 1, RCODE_NXDOMAIN = 3, TTL = 5 };

struct question {
    char name[DNS_NAME_MAX + 1];
    unsigned type, class;
    size_t end; /* of the question in the packet */
};

static unsigned get16(const char *p)
{
    return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static void put16(struct buf *b, unsigned v)
{
    buf_addc(b, (char)(v >> 8));
    buf_addc(b, (char)v);
}

static bool is_query(struct slice q)
{
    return q.n > HEADER && !(q.p[2] & FLAG_QR) && (q.p[2] & 0x78) == 0 && get16(q.p + 4) == 1;
}

/* The one question. Names in questions are never compressed. */
static bool parse_question(struct slice q, struct question *ret)
{
    size_t at = HEADER, len = 0;

    for (;;) {
        if (at >= q.n)
            return false;
        size_t label = (unsigned char)q.p[at++];
        if (label == 0)
            break;
        if (label > 63 || at + label > q.n || len + label + 1 > DNS_NAME_MAX)
            return false;
        if (len)
            ret->name[len++] = '.';
        for (size_t i = 0; i < label; i++) {
            char c = q.p[at + i];
            if (!isgraph((unsigned char)c))
                return false;
            ret->name[len++] = (char)tolower((unsigned char)c);
        }
        at += label;
    }
    if (at + 4 > q.n)
        return false;
    ret->name[len] = '\0';
    ret->type = get16(q.p + at);
    ret->class = get16(q.p + at + 2);
    ret->end = at + 4;
    return true;
}

static void put_header(struct slice q, struct buf *out, unsigned rcode, size_t answers,
                       size_t question_end)
{
    buf_add(out, q.p, 2);
    buf_addc(out, (char)(FLAG_QR | FLAG_AA | (q.p[2] & FLAG_RD)));
    buf_addc(out, (char)(FLAG_RA | rcode));
    put16(out, 1);
    put16(out, (unsigned)answers);
    put16(out, 0);
    put16(out, 0);
    buf_add(out, q.p + HEADER, question_end - HEADER);
}

static void put_address(struct buf *out, uint32_t ip)
{
    put16(out, 0xc000 | HEADER); /* the name of the question */
    put16(out, TYPE_A);
    put16(out, CLASS_IN);
    put16(out, 0);
    put16(out, TTL);
    put16(out, 4);
    buf_add(out, &ip, 4);
}

bool dns_answer(struct slice query, dns_lookup_fn *lookup, void *ctx, struct buf *out,
                bool *ret_foreign)
{
    struct question q;
    uint32_t ips[DNS_IPS_MAX];
    size_t n = 0;

    *ret_foreign = false;
    if (!is_query(query) || !parse_question(query, &q))
        return false;
    enum dns_verdict v = lookup(ctx, q.name, ips, &n);
    if (v == DNS_FOREIGN) {
        *ret_foreign = true;
        return false;
    }
    if (q.type != TYPE_A || q.class != CLASS_IN)
        n = 0;
    put_header(query, out, v == DNS_KNOWN ? 0 : RCODE_NXDOMAIN, n, q.end);
    for (size_t i = 0; i < n; i++)
        put_address(out, ips[i]);
    return true;
}

bool dns_refuse(struct slice query, struct buf *out)
{
    struct question q;

    if (!is_query(query) || !parse_question(query, &q))
        return false;
    put_header(query, out, RCODE_NXDOMAIN, 0, q.end);
    return true;
}
