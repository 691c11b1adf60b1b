#include "data/selector.h"
#include "data/field_error.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/vec.h"

#include <stdio.h>

/* ---- tokens ---- */

enum token {
    TOKEN_END,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_EQ2,
    TOKEN_EQ,
    TOKEN_GT,
    TOKEN_WORD,
    TOKEN_IN,
    TOKEN_LT,
    TOKEN_NE,
    TOKEN_NOT_IN,
    TOKEN_OPEN,
};

static const struct {
    const char *text;
    enum token token;
} literals[] = {
    {")", TOKEN_CLOSE}, {",", TOKEN_COMMA}, {"!", TOKEN_NOT},        {"==", TOKEN_EQ2},
    {"=", TOKEN_EQ},    {">", TOKEN_GT},    {"in", TOKEN_IN},        {"<", TOKEN_LT},
    {"!=", TOKEN_NE},   {"(", TOKEN_OPEN},  {"notin", TOKEN_NOT_IN},
};

struct parser {
    struct slice rest;
    enum token token; /* the one ahead */
    struct slice text;
    struct err *err;
};

static enum token literal(struct slice s)
{
    for (size_t i = 0; i < ARRAY_SIZE(literals); i++)
        if (slice_is(s, literals[i].text))
            return literals[i].token;
    return TOKEN_WORD;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_symbol(char c)
{
    return c && strchr("=!(),><", c);
}

/* Symbols are taken greedily, as long as they are one: "=" and "==", but "=" and then "(". */
static size_t symbol_length(struct slice s)
{
    if (s.n > 1 && (s.p[0] == '=' || s.p[0] == '!') && s.p[1] == '=')
        return 2;
    return 1;
}

static void next(struct parser *p)
{
    struct slice s = p->rest;
    size_t n = 0;

    while (s.n && is_space(*s.p))
        s.p++, s.n--;
    if (!s.n || !*s.p) { /* a NUL ends the text, as it does for kube-apiserver */
        p->token = TOKEN_END;
        p->text = p->rest = (struct slice){"", 0};
        return;
    }
    if (is_symbol(*s.p))
        n = symbol_length(s);
    else
        while (n < s.n && s.p[n] && !is_symbol(s.p[n]) && !is_space(s.p[n]))
            n++;
    p->text = (struct slice){s.p, n};
    p->rest = (struct slice){s.p + n, s.n - n};
    p->token = literal(p->text);
}

/* Where an operator cannot stand, "in" and "notin" are words. */
static enum token ahead(const struct parser *p)
{
    return p->token == TOKEN_IN || p->token == TOKEN_NOT_IN ? TOKEN_WORD : p->token;
}

/* ---- requirements ---- */

struct values {
    char **v;
    size_t n, cap;
};

static void values_done(struct values *values)
{
    for (size_t i = 0; i < values->n; i++)
        free(values->v[i]);
    vec_done(values);
}

static void req_done(struct selector_req *r)
{
    free((char *)(uintptr_t)r->key);
    for (size_t i = 0; i < r->n; i++)
        free(r->values[i]);
    free(r->values);
}

void selector_free(struct selector *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        req_done(&s->reqs[i]);
    free(s->reqs);
    free(s);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct values *values)
{
    size_t kept = 0;

    if (values->n)
        qsort(values->v, values->n, sizeof(*values->v), compare_text);
    for (size_t i = 0; i < values->n; i++) {
        if (kept && !strcmp(values->v[kept - 1], values->v[i]))
            free(values->v[i]);
        else
            values->v[kept++] = values->v[i];
    }
    values->n = kept;
}

static void values_text(const struct values *values, struct buf *b)
{
    buf_addc(b, '[');
    for (size_t i = 0; i < values->n; i++)
        buf_printf(b, "%s\"%s\"", i ? "," : "", values->v[i]);
    buf_addc(b, ']');
}

/* What is wrong with the number of values that op takes, or NULL. */
static const char *count_problem(enum selector_op op, size_t n)
{
    switch (op) {
    case SELECTOR_IN:
    case SELECTOR_NOT_IN:
        return n ? NULL : "for 'in', 'notin' operators, values set can't be empty";
    case SELECTOR_EQ:
    case SELECTOR_NE:
        return n == 1 ? NULL : "exact-match compatibility requires one single value";
    case SELECTOR_EXISTS:
    case SELECTOR_NOT_EXISTS:
        return n ? "values set must be empty for exists and does not exist" : NULL;
    case SELECTOR_GT:
    case SELECTOR_LT:
        return n == 1 ? NULL : "for 'Gt', 'Lt' operators, exactly one value is required";
    }
    return NULL;
}

static void check_values(struct field_errors *errs, const char *key, enum selector_op op,
                         const struct values *values)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *problem = count_problem(op, values->n);
    char path[400];
    int64_t number;

    if (problem) {
        values_text(values, &b);
        char *message = xasprintf("Invalid value: %s: %s", buf_str(&b), problem);
        field_error_add(errs, FIELD_INVALID, "values", message);
        free(message);
    }
    for (size_t i = 0; (op == SELECTOR_GT || op == SELECTOR_LT) && i < values->n; i++) {
        snprintf(path, sizeof(path), "values[%zu]", i);
        if (!slice_int64(slice_of(values->v[i]), &number))
            field_invalid_str(errs, path, values->v[i],
                              "for 'Gt', 'Lt' operators, the value must be an integer");
    }
    for (size_t i = 0; i < values->n; i++) {
        problem = name_label_value(slice_of(values->v[i]));
        snprintf(path, sizeof(path), "values[%zu][%s]", i, key);
        if (problem)
            field_invalid_str(errs, path, values->v[i], problem);
    }
}

struct reqs {
    struct selector_req *v;
    size_t n, cap;
};

static void reqs_done(struct reqs *reqs)
{
    for (size_t i = 0; i < reqs->n; i++)
        req_done(&reqs->v[i]);
    vec_done(reqs);
}

/* Checks and adds one requirement; takes values over. */
static int add_req(struct reqs *reqs, const char *key, enum selector_op op, struct values *values,
                   struct err *err)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct buf text cleanup(buf_done) = BUF_INIT;
    const char *problem = name_qualified(slice_of(key));

    if (problem)
        field_invalid_str(&errs, "key", key, problem);
    check_values(&errs, key, op, values);
    if (errs.n) {
        field_errors_text(&errs, &text);
        return err_set(err, ERR_BAD_REQUEST, "%s", buf_str(&text));
    }
    sort_unique(values);
    vec_push(reqs, (struct selector_req){
                       .key = xstrdup(key), .op = op, .values = values->v, .n = values->n});
    *values = (struct values){0};
    return 0;
}

static int compare_req(const void *a, const void *b)
{
    const struct selector_req *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static struct selector *finish(struct reqs *reqs)
{
    struct selector *s = xnew(struct selector);

    if (reqs->n > 1)
        qsort(reqs->v, reqs->n, sizeof(*reqs->v), compare_req);
    s->reqs = reqs->v;
    s->n = reqs->n;
    *reqs = (struct reqs){0};
    return s;
}

/* ---- text ---- */

static int unexpected(struct parser *p, const char *expected)
{
    return err_set(p->err, ERR_BAD_REQUEST, "found '%.*s'%s", SLICE_FMT(p->text), expected);
}

static void take_word(struct parser *p, struct values *values)
{
    vec_push(values, xstrndup(p->text.p, p->text.n));
    next(p);
}

/* a,b) with any of them empty; the parenthesis is left. */
static int parse_list(struct parser *p, struct values *values)
{
    for (;;) {
        if (ahead(p) == TOKEN_WORD) {
            take_word(p, values);
            if (ahead(p) == TOKEN_CLOSE)
                return 0;
            if (ahead(p) != TOKEN_COMMA)
                return unexpected(p, ", expected: ',' or ')'");
        } else if (ahead(p) == TOKEN_COMMA) {
            next(p);
            if (!values->n || ahead(p) == TOKEN_COMMA || ahead(p) == TOKEN_CLOSE)
                vec_push(values, xstrdup(""));
            if (ahead(p) == TOKEN_CLOSE)
                return 0;
        } else {
            return unexpected(p, ", expected: ',', or identifier");
        }
    }
}

static int parse_set(struct parser *p, struct values *values)
{
    if (p->token != TOKEN_OPEN)
        return unexpected(p, " expected: '('");
    next(p);
    if (ahead(p) == TOKEN_CLOSE)
        vec_push(values, xstrdup(""));
    else if (ahead(p) != TOKEN_WORD && ahead(p) != TOKEN_COMMA)
        return unexpected(p, ", expected: ',', ')' or identifier");
    else if (parse_list(p, values) < 0)
        return ERR_BAD_REQUEST;
    next(p);
    return 0;
}

static int parse_one(struct parser *p, struct values *values)
{
    if (ahead(p) == TOKEN_END || ahead(p) == TOKEN_COMMA) {
        vec_push(values, xstrdup(""));
        return 0;
    }
    if (ahead(p) != TOKEN_WORD)
        return unexpected(p, ", expected: identifier");
    take_word(p, values);
    return 0;
}

static int parse_operator(struct parser *p, enum selector_op *ret)
{
    static const struct {
        enum token token;
        enum selector_op op;
    } ops[] = {
        {TOKEN_IN, SELECTOR_IN}, {TOKEN_EQ, SELECTOR_EQ}, {TOKEN_EQ2, SELECTOR_EQ},
        {TOKEN_GT, SELECTOR_GT}, {TOKEN_LT, SELECTOR_LT}, {TOKEN_NOT_IN, SELECTOR_NOT_IN},
        {TOKEN_NE, SELECTOR_NE},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (p->token != ops[i].token)
            continue;
        *ret = ops[i].op;
        next(p);
        return 0;
    }
    return unexpected(p, ", expected: in, notin, =, ==, !=, gt, lt");
}

static int parse_key(struct parser *p, char **ret)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct buf text cleanup(buf_done) = BUF_INIT;

    if (ahead(p) != TOKEN_WORD)
        return unexpected(p, ", expected: identifier");
    const char *problem = name_qualified(p->text);
    if (problem) {
        autofree char *key = xstrndup(p->text.p, p->text.n);
        field_invalid_str(&errs, NULL, key, problem);
        field_errors_text(&errs, &text);
        return err_set(p->err, ERR_BAD_REQUEST, "%s", buf_str(&text));
    }
    *ret = xstrndup(p->text.p, p->text.n);
    next(p);
    return 0;
}

static int parse_req(struct parser *p, struct reqs *reqs)
{
    struct values values cleanup(values_done) = {0};
    bool negated = ahead(p) == TOKEN_NOT;
    enum selector_op op = negated ? SELECTOR_NOT_EXISTS : SELECTOR_EXISTS;
    autofree char *key = NULL;

    if (negated)
        next(p);
    int r = parse_key(p, &key);
    if (r < 0)
        return r;
    if (!negated && ahead(p) != TOKEN_END && ahead(p) != TOKEN_COMMA) {
        r = parse_operator(p, &op);
        if (r < 0)
            return r;
        r = op == SELECTOR_IN || op == SELECTOR_NOT_IN ? parse_set(p, &values)
                                                       : parse_one(p, &values);
        if (r < 0)
            return r;
    }
    return add_req(reqs, key, op, &values, p->err);
}

int selector_parse(struct slice text, struct selector **ret, struct err *err)
{
    struct reqs reqs cleanup(reqs_done) = {0};
    struct parser p = {.rest = text, .err = err};

    next(&p);
    if (ahead(&p) != TOKEN_END && ahead(&p) != TOKEN_WORD && ahead(&p) != TOKEN_NOT)
        return unexpected(&p, ", expected: !, identifier, or 'end of string'");
    while (ahead(&p) != TOKEN_END) {
        if (parse_req(&p, &reqs) < 0)
            return err_wrap(err, "unable to parse requirement");
        if (ahead(&p) == TOKEN_END)
            break;
        if (ahead(&p) != TOKEN_COMMA)
            return unexpected(&p, ", expected: ',' or 'end of string'");
        next(&p);
        if (ahead(&p) != TOKEN_WORD && ahead(&p) != TOKEN_NOT)
            return unexpected(&p, ", expected: identifier after ','");
    }
    *ret = finish(&reqs);
    return 0;
}

/* ---- JSON ---- */

static int add_map(struct reqs *reqs, yyjson_val *labels, struct err *err)
{
    json_each_member(labels, key, val) {
        struct values values cleanup(values_done) = {0};
        if (!yyjson_is_str(val))
            return err_set(err, ERR_BAD_REQUEST, "label \"%s\" must be a string",
                           yyjson_get_str(key));
        vec_push(&values, xstrdup(yyjson_get_str(val)));
        int r = add_req(reqs, yyjson_get_str(key), SELECTOR_EQ, &values, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_expression(struct reqs *reqs, yyjson_val *expr, struct err *err)
{
    static const struct {
        const char *name;
        enum selector_op op;
    } ops[] = {
        {"In", SELECTOR_IN},
        {"NotIn", SELECTOR_NOT_IN},
        {"Exists", SELECTOR_EXISTS},
        {"DoesNotExist", SELECTOR_NOT_EXISTS},
    };
    struct values values cleanup(values_done) = {0};
    const char *name = json_get_str(expr, "operator", "");

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (strcmp(ops[i].name, name) != 0)
            continue;
        json_each(json_get(expr, "values"), item, j, n) {
            if (!yyjson_is_str(item))
                return err_set(err, ERR_BAD_REQUEST, "values[%zu] must be a string", j);
            vec_push(&values, xstrdup(yyjson_get_str(item)));
        }
        return add_req(reqs, json_get_str(expr, "key", ""), ops[i].op, &values, err);
    }
    return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not a valid label selector operator", name);
}

int selector_from_json(yyjson_val *label_selector, struct selector **ret, struct err *err)
{
    struct reqs reqs cleanup(reqs_done) = {0};

    if (label_selector && !yyjson_is_null(label_selector) && !yyjson_is_obj(label_selector))
        return err_set(err, ERR_BAD_REQUEST, "a label selector must be an object");
    int r = add_map(&reqs, json_get(label_selector, "matchLabels"), err);
    if (r < 0)
        return r;
    json_each(json_get(label_selector, "matchExpressions"), item, i, n) {
        r = add_expression(&reqs, item, err);
        if (r < 0)
            return r;
    }
    *ret = finish(&reqs);
    return 0;
}

int selector_from_map(yyjson_val *labels, struct selector **ret, struct err *err)
{
    struct reqs reqs cleanup(reqs_done) = {0};

    int r = add_map(&reqs, labels, err);
    if (r < 0)
        return r;
    *ret = finish(&reqs);
    return 0;
}

/* ---- use ---- */

static bool has_value(const struct selector_req *r, const char *value)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->values[i], value))
            return true;
    return false;
}

static bool number_matches(const struct selector_req *r, const char *value)
{
    int64_t have, want;

    if (!slice_int64(slice_of(value), &have) || !slice_int64(slice_of(r->values[0]), &want))
        return false;
    return r->op == SELECTOR_GT ? have > want : have < want;
}

static bool req_matches(const struct selector_req *r, yyjson_val *labels)
{
    const char *value = json_str(json_get(labels, r->key), NULL);

    switch (r->op) {
    case SELECTOR_EXISTS:
        return value;
    case SELECTOR_NOT_EXISTS:
        return !value;
    case SELECTOR_EQ:
    case SELECTOR_IN:
        return value && has_value(r, value);
    case SELECTOR_NE:
    case SELECTOR_NOT_IN:
        return !value || !has_value(r, value);
    case SELECTOR_GT:
    case SELECTOR_LT:
        return value && number_matches(r, value);
    }
    return false;
}

bool selector_matches(const struct selector *s, yyjson_val *labels)
{
    for (size_t i = 0; s && i < s->n; i++)
        if (!req_matches(&s->reqs[i], labels))
            return false;
    return true;
}

bool selector_is_everything(const struct selector *s)
{
    return !s || !s->n;
}

void selector_to_string(const struct selector *s, struct buf *ret)
{
    static const char *const infix[] = {
        [SELECTOR_EXISTS] = "", [SELECTOR_NOT_EXISTS] = "", [SELECTOR_EQ] = "=",
        [SELECTOR_NE] = "!=",   [SELECTOR_IN] = " in (",    [SELECTOR_NOT_IN] = " notin (",
        [SELECTOR_GT] = ">",    [SELECTOR_LT] = "<",
    };
    for (size_t i = 0; s && i < s->n; i++) {
        const struct selector_req *r = &s->reqs[i];
        buf_printf(ret, "%s%s%s%s", i ? "," : "", r->op == SELECTOR_NOT_EXISTS ? "!" : "", r->key,
                   infix[r->op]);
        for (size_t j = 0; j < r->n; j++)
            buf_printf(ret, "%s%s", j ? "," : "", r->values[j]);
        if (r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN)
            buf_addc(ret, ')');
    }
}
