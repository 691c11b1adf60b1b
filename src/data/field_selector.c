#include "data/selector.h"
#include "base/mem.h"
#include "base/vec.h"

struct field_reqs {
    struct field_req *v;
    size_t n, cap;
};

static void field_reqs_done(struct field_reqs *reqs)
{
    for (size_t i = 0; i < reqs->n; i++) {
        free(reqs->v[i].field);
        free(reqs->v[i].value);
    }
    vec_done(reqs);
}

void field_selector_free(struct field_selector *s)
{
    if (!s)
        return;
    field_reqs_done(&(struct field_reqs){.v = s->reqs, .n = s->n});
    free(s);
}

/* Cuts one term off: commas behind a backslash do not end it. */
static struct slice cut_term(struct slice *rest)
{
    size_t n = 0;

    while (n < rest->n && rest->p[n] != ',')
        n += rest->p[n] == '\\' && n + 1 < rest->n ? 2 : 1;
    struct slice term = {rest->p, n};
    size_t skip = n < rest->n ? n + 1 : n;
    rest->p += skip;
    rest->n -= skip;
    return term;
}

static int unescape(struct slice s, char **ret, struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\\') {
            if (++i == s.n)
                return err_set(err, ERR_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\");
            if (!s.p[i] || !strchr("\\,=", s.p[i]))
                return err_set(err, ERR_BAD_REQUEST,
                               "invalid field selector: invalid escape sequence: \\%c", s.p[i]);
        } else if (c == ',' || c == '=') {
            /* the number of the character, as Go prints a rune */
            return err_set(err, ERR_BAD_REQUEST,
                           "invalid field selector: unescaped character in value: %d", c);
        }
        buf_addc(&b, s.p[i]);
    }
    *ret = b.data ? buf_take(&b) : xstrdup("");
    return 0;
}

/* The first operator of a term; false if there is none. */
static bool find_operator(struct slice term, size_t *ret_at, size_t *ret_len)
{
    for (size_t i = 0; i < term.n; i++) {
        bool two = i + 1 < term.n && term.p[i + 1] == '=';
        if (term.p[i] != '=' && !(term.p[i] == '!' && two))
            continue;
        *ret_at = i;
        *ret_len = two ? 2 : 1;
        return true;
    }
    return false;
}

static int compare_slice(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int c = memcmp(x->p, y->p, MIN(x->n, y->n));

    return c ? c : x->n < y->n ? -1 : x->n > y->n;
}

static int add_term(struct field_reqs *reqs, struct slice text, struct slice term, struct err *err)
{
    size_t at = 0, len = 0;
    autofree char *value = NULL;

    if (!find_operator(term, &at, &len))
        return err_set(err, ERR_BAD_REQUEST, "invalid selector: '%.*s'; can't understand '%.*s'",
                       SLICE_FMT(text), SLICE_FMT(term));
    int r = unescape((struct slice){term.p + at + len, term.n - at - len}, &value, err);
    if (r < 0)
        return r;
    if (!at && !*value)
        return 0; /* an empty field with an empty value demands nothing */
    vec_push(reqs, (struct field_req){.field = xstrndup(term.p, at),
                                      .value = take(value),
                                      .negated = term.p[at] == '!'});
    return 0;
}

int field_selector_parse(struct slice text, struct field_selector **ret, struct err *err)
{
    struct field_reqs reqs cleanup(field_reqs_done) = {0};
    VEC(struct slice) terms = {0};
    struct slice rest = text;
    int r = 0;

    while (rest.n)
        vec_push(&terms, cut_term(&rest));
    if (terms.n)
        qsort(terms.v, terms.n, sizeof(*terms.v), compare_slice);
    for (size_t i = 0; r == 0 && i < terms.n; i++)
        if (terms.v[i].n)
            r = add_term(&reqs, text, terms.v[i], err);
    vec_done(&terms);
    if (r < 0)
        return r;
    *ret = xnew(struct field_selector);
    **ret = (struct field_selector){.reqs = reqs.v, .n = reqs.n};
    reqs = (struct field_reqs){0};
    return 0;
}

static const struct field_label *find_label(const struct field_label *labels, size_t n,
                                            const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(labels[i].name, name))
            return &labels[i];
    return NULL;
}

static int refuse(const char *field, const struct field_label *labels, size_t n, bool generic,
                  struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!generic)
        return err_set(err, ERR_BAD_REQUEST, "field label not supported: %s", field);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s\"%s\"", i ? ", " : "", labels[i].name);
    return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not a known field selector: only %s", field,
                   buf_str(&b));
}

int field_selector_check(const struct field_selector *s, const struct field_label *labels, size_t n,
                         bool generic, struct err *err)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!find_label(labels, n, s->reqs[i].field))
            return refuse(s->reqs[i].field, labels, n, generic, err);
    return 0;
}

/* Compares without making text of every value. */
static bool value_is(yyjson_val *v, const char *absent, const char *want)
{
    if (!v || yyjson_is_null(v))
        return !strcmp(want, absent ? absent : "");
    if (yyjson_is_str(v))
        return yyjson_equals_str(v, want);
    if (yyjson_is_bool(v))
        return !strcmp(want, yyjson_get_bool(v) ? "true" : "false");
    autofree char *text = json_text(v);
    return !strcmp(want, text);
}

bool field_selector_matches(const struct field_selector *s, const struct field_label *labels,
                            size_t n, yyjson_val *obj)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct field_req *r = &s->reqs[i];
        const struct field_label *label = find_label(labels, n, r->field);
        const char *path = label && label->path ? label->path : r->field;
        if (value_is(json_at(obj, path), label ? label->absent : NULL, r->value) == r->negated)
            return false;
    }
    return true;
}

const char *field_selector_exact(const struct field_selector *s, const char *field)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!s->reqs[i].negated && !strcmp(s->reqs[i].field, field))
            return s->reqs[i].value;
    return NULL;
}

void field_selector_to_string(const struct field_selector *s, struct buf *ret)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct field_req *r = &s->reqs[i];
        buf_printf(ret, "%s%s%s", i ? "," : "", r->field, r->negated ? "!=" : "=");
        for (const char *c = r->value; *c; c++) {
            if (strchr("\\,=", *c))
                buf_addc(ret, '\\');
            buf_addc(ret, *c);
        }
    }
}
