/* The pure half of reading logs. */
#include "kubelet/logs.h"
#include "base/timefmt.h"

#include <string.h>
#include <unistd.h>

bool log_line_parse(struct slice line, struct log_line *ret)
{
    struct slice rest = line, stream, tag;

    if (!slice_cut(&rest, ' ', &ret->stamp) || !slice_cut(&rest, ' ', &stream) || rest.n < 1)
        return false;
    /* The tag is one letter; an empty text has no space after it in some writers. */
    tag = (struct slice){rest.p, 1};
    if ((*tag.p != 'F' && *tag.p != 'P') || (rest.n > 1 && rest.p[1] != ' '))
        return false;
    ret->full = *tag.p == 'F';
    ret->text = rest.n > 2 ? (struct slice){rest.p + 2, rest.n - 2} : (struct slice){"", 0};
    return time_parse(ret->stamp, &ret->ns);
}

void log_filter_feed(struct log_filter *f, struct slice line, struct buf *out)
{
    struct log_line l;
    size_t before = out->len;

    if (f->done || !log_line_parse(line, &l) || l.ns < f->o.since_ns)
        return;
    if (f->o.timestamps && !f->inside) {
        buf_add_slice(out, l.stamp);
        buf_addc(out, ' ');
    }
    buf_add_slice(out, l.text);
    if (l.full)
        buf_addc(out, '\n');
    f->inside = !l.full;
    int64_t added = (int64_t)(out->len - before);
    if (f->o.limit_bytes >= 0 && f->sent + added >= f->o.limit_bytes) {
        out->len = before + (size_t)(f->o.limit_bytes - f->sent);
        f->done = true;
    }
    f->sent += added;
}

/* Parts of long lines make this an approximation of the container's own lines: each counts. */
int64_t log_tail_offset(int fd, int64_t size, int64_t *n)
{
    char chunk[16384];
    int64_t at = size, seen = 0;

    if (*n <= 0 || size == 0)
        return size;
    while (at > 0) {
        int64_t from = MAX(at - (int64_t)sizeof chunk, 0);
        ssize_t got = pread(fd, chunk, (size_t)(at - from), from);
        if (got <= 0)
            return 0;
        for (ssize_t i = got; i-- > 0;)
            if (chunk[i] == '\n' && from + i != size - 1 && ++seen == *n) {
                *n = 0;
                return from + i + 1;
            }
        at = from;
    }
    *n -= seen + 1;
    return 0;
}

/* ---- options ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void log_query_decode(struct slice s, char *out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n + 1 < room; i++) {
        int high, low;
        if (s.p[i] == '%' && i + 2 < s.n && (high = hex(s.p[i + 1])) >= 0 &&
            (low = hex(s.p[i + 2])) >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    out[n] = '\0';
}

static bool set_bool(bool *b, const char *v)
{
    *b = strcmp(v, "true") == 0 || strcmp(v, "1") == 0 || !*v;
    return *b || strcmp(v, "false") == 0 || strcmp(v, "0") == 0;
}

static bool set_number(int64_t *n, const char *v, int64_t least)
{
    return slice_int64(slice_of(v), n) && *n >= least;
}

static bool set_option(struct log_options *o, const char *key, const char *value, int64_t now_ns)
{
    int64_t n;

    if (strcmp(key, "follow") == 0)
        return set_bool(&o->follow, value);
    if (strcmp(key, "previous") == 0)
        return set_bool(&o->previous, value);
    if (strcmp(key, "timestamps") == 0)
        return set_bool(&o->timestamps, value);
    if (strcmp(key, "tailLines") == 0)
        return set_number(&o->tail_lines, value, 0);
    if (strcmp(key, "limitBytes") == 0)
        return set_number(&o->limit_bytes, value, 1);
    if (strcmp(key, "sinceTime") == 0)
        return time_parse(slice_of(value), &o->since_ns);
    if (strcmp(key, "sinceSeconds") == 0 && set_number(&n, value, 1)) {
        o->since_ns = MAX(now_ns - n * SECOND_NS, 0);
        return true;
    }
    return strcmp(key, "sinceSeconds") != 0;
}

int log_options_parse(struct slice query, int64_t now_ns, struct log_options *ret, struct err *err)
{
    struct slice pair, name;
    char key[64], value[128];

    *ret = (struct log_options){.tail_lines = -1, .limit_bytes = -1};
    while (slice_cut(&query, '&', &pair)) {
        if (!slice_cut(&pair, '=', &name))
            continue;
        log_query_decode(name, key, sizeof key);
        log_query_decode(pair, value, sizeof value);
        if (!set_option(ret, key, value, now_ns))
            return err_set(err, ERR_BAD_REQUEST, "invalid value \"%s\" of %s", value, key);
    }
    return 0;
}
