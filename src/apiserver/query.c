#include "apiserver/server.h"

#include <ctype.h>

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

/* NULL for a malformed escape, a NUL, and what is no UTF-8: none of it can be a name or a value. */
char *percent_decode(struct arena *a, struct slice s, bool plus)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '+' && plus) {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= s.n || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
                return NULL;
            c = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        }
        if (c == '\0')
            return NULL;
        out[n++] = c;
    }
    return slice_is_utf8((struct slice){out, n}) ? out : NULL;
}

void query_parse(struct request *req, struct slice raw)
{
    struct slice part, name;

    while (slice_cut(&raw, '&', &part)) {
        struct slice value = part;

        if (!slice_cut(&value, '=', &name))
            continue;
        struct param p = {percent_decode(&req->arena, name, true),
                          percent_decode(&req->arena, value, true)};
        if (p.name && p.value)
            vec_push(&req->params, p);
    }
}

const char *request_param(struct request *req, const char *name)
{
    for (size_t i = 0; i < req->params.n; i++)
        if (strcmp(req->params.v[i].name, name) == 0)
            return req->params.v[i].value;
    return NULL;
}

/* Go's conversion of query parameters: everything but these three is true. */
void query_bool(struct request *req, const char *name, bool *ret)
{
    const char *v = request_param(req, name);

    if (v)
        *ret = strcmp(v, "") != 0 && strcmp(v, "0") != 0 && strcasecmp(v, "false") != 0;
}

struct status *query_int(struct request *req, const char *name, int64_t *ret)
{
    const char *v = request_param(req, name);

    if (v && !slice_int64(slice_of(v), ret))
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "strconv.ParseInt: parsing \"%s\": invalid syntax", v);
    return NULL;
}
