#include "data/jsonpath.h"
#include "base/mem.h"
#include "base/vec.h"

#include <ctype.h>

#define MAX_STEPS 64

enum step_kind { STEP_FIELD, STEP_INDEX, STEP_SLICE, STEP_ALL, STEP_FILTER };
enum compare { CMP_EXISTS, CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct step {
    enum step_kind kind;
    char *name;       /* FIELD */
    int64_t from, to; /* INDEX (from) and SLICE */
    bool has_from, has_to;
    struct jsonpath *left; /* FILTER: of the item */
    enum compare compare;
    struct json *literal;
    struct jsonpath *right; /* instead of a literal */
};

struct jsonpath {
    struct step *v;
    size_t n, cap;
};

struct parser {
    struct slice text;
    size_t at;
    int depth;
    struct err *err;
};

static int fail(struct parser *p, const char *what)
{
    return err_set(p->err, ERR_INVALID, "column %zu: %s", p->at + 1, what);
}

void jsonpath_free(struct jsonpath *path)
{
    if (!path)
        return;
    for (size_t i = 0; i < path->n; i++) {
        free(path->v[i].name);
        jsonpath_free(path->v[i].left);
        jsonpath_free(path->v[i].right);
        json_unref(path->v[i].literal);
    }
    free(path->v);
    free(path);
}

static char peek(const struct parser *p)
{
    return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)peek(p)))
        p->at++;
}

static bool accept(struct parser *p, const char *token)
{
    size_t n = strlen(token);

    if (p->text.n - p->at < n || memcmp(p->text.p + p->at, token, n) != 0)
        return false;
    p->at += n;
    return true;
}

/* A name up to what ends one; a backslash takes the next character as it is. */
static int parse_name(struct parser *p, struct step *step)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    while (peek(p) && !strchr(".[]()=!<>}'\" ", peek(p))) {
        if (peek(p) == '\\')
            p->at++;
        if (p->at >= p->text.n)
            return fail(p, "a path must not end in a backslash");
        buf_addc(&b, peek(p));
        p->at++;
    }
    if (!b.len)
        return fail(p, "a name is missing");
    step->kind = STEP_FIELD;
    step->name = buf_take(&b);
    return 0;
}

static int parse_quoted(struct parser *p, struct buf *ret)
{
    char quote = peek(p);

    p->at++;
    buf_add(ret, "", 0);
    while (peek(p) != quote) {
        if (peek(p) == '\\')
            p->at++;
        if (p->at >= p->text.n)
            return fail(p, "unterminated quoted string");
        buf_addc(ret, peek(p));
        p->at++;
    }
    p->at++;
    return 0;
}

static bool parse_int(struct parser *p, int64_t *ret)
{
    size_t start = p->at;

    p->at += peek(p) == '-';
    while (isdigit((unsigned char)peek(p)))
        p->at++;
    return slice_int64((struct slice){p->text.p + start, p->at - start}, ret);
}

/* "1", "1:3", ":2", "*" and what is quoted; the bracket that closes it is left. */
static int parse_subscript(struct parser *p, struct step *step)
{
    struct buf name cleanup(buf_done) = BUF_INIT;

    if (accept(p, "*")) {
        step->kind = STEP_ALL;
        return 0;
    }
    if (peek(p) == '\'' || peek(p) == '"') {
        int r = parse_quoted(p, &name);
        step->kind = STEP_FIELD;
        step->name = r < 0 ? NULL : xstrdup(buf_str(&name));
        return r;
    }
    step->kind = STEP_INDEX;
    step->has_from = peek(p) != ':';
    if (step->has_from && !parse_int(p, &step->from))
        return fail(p, "invalid array index");
    if (!accept(p, ":"))
        return 0;
    step->kind = STEP_SLICE;
    step->has_to = peek(p) != ']';
    if (step->has_to && !parse_int(p, &step->to))
        return fail(p, "invalid array index");
    return 0;
}

static int parse_steps(struct parser *p, struct jsonpath *path);

static int parse_operand(struct parser *p, struct step *step)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    automut yyjson_mut_doc *doc = json_mut_new();

    if (accept(p, "@")) {
        step->right = xnew(struct jsonpath);
        return parse_steps(p, step->right);
    }
    if (peek(p) == '\'' || peek(p) == '"') {
        int r = parse_quoted(p, &text);
        if (r == 0)
            step->literal = json_freeze(yyjson_mut_strncpy(doc, buf_str(&text), text.len));
        return r;
    }
    size_t start = p->at;
    while (peek(p) && !strchr(") ", peek(p)))
        p->at++;
    if (json_parse((struct slice){p->text.p + start, p->at - start}, &step->literal, NULL) < 0) {
        p->at = start;
        return fail(p, "a string, a number, true, false, null or @ is expected");
    }
    return 0;
}

/* Behind "?(": @.a.b, maybe an operator and an operand. */
static int parse_filter(struct parser *p, struct step *step)
{
    static const struct {
        const char *token;
        enum compare compare;
    } ops[] = {
        {"==", CMP_EQ}, {"!=", CMP_NE}, {"<=", CMP_LE},
        {">=", CMP_GE}, {"<", CMP_LT},  {">", CMP_GT},
    };
    int r = 0;

    step->kind = STEP_FILTER;
    step->left = xnew(struct jsonpath);
    skip_space(p);
    if (!accept(p, "@"))
        return fail(p, "a filter must begin with @");
    r = parse_steps(p, step->left);
    skip_space(p);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ops); i++) {
        if (!accept(p, ops[i].token))
            continue;
        step->compare = ops[i].compare;
        skip_space(p);
        r = parse_operand(p, step);
        break;
    }
    skip_space(p);
    if (r == 0 && !accept(p, ")"))
        return fail(p, "unterminated filter");
    return r;
}

static int parse_step(struct parser *p, struct jsonpath *path)
{
    struct step *step = vec_add(path);
    int r;

    if (path->n > MAX_STEPS)
        return fail(p, "the path is too long");
    if (accept(p, ".")) {
        if (accept(p, "."))
            return fail(p, "recursive descent is not supported");
        if (peek(p) != '[') {
            step->kind = STEP_ALL;
            return accept(p, "*") ? 0 : parse_name(p, step);
        }
    }
    if (!accept(p, "["))
        return path->n == 1 ? parse_name(p, step) : fail(p, "'.' or '[' is expected");
    skip_space(p);
    if (accept(p, "?(")) {
        if (++p->depth > 8)
            return fail(p, "filters nest too deeply");
        r = parse_filter(p, step);
        p->depth--;
    } else {
        r = parse_subscript(p, step);
    }
    skip_space(p);
    if (r == 0 && !accept(p, "]"))
        return fail(p, "unterminated array");
    return r;
}

static int parse_steps(struct parser *p, struct jsonpath *path)
{
    int r = 0;

    while (r == 0 && (peek(p) == '.' || peek(p) == '['))
        r = parse_step(p, path);
    return r;
}

int jsonpath_parse(struct slice text, struct jsonpath **ret, struct err *err)
{
    struct parser p = {.text = slice_trim(text), .err = err};
    struct jsonpath *path cleanup(jsonpath_free_p) = xnew(struct jsonpath);
    int r = 0;

    if (p.text.n >= 2 && p.text.p[0] == '{' && p.text.p[p.text.n - 1] == '}') {
        p.text.p++;
        p.text.n -= 2;
    }
    accept(&p, "$");
    if (p.text.n && p.text.p[p.text.n - 1] == '.' && p.text.n == p.at + 1)
        p.at++; /* "." alone is the root */
    else if (peek(&p) != '.' && peek(&p) != '[' && p.at < p.text.n)
        r = parse_step(&p, path);
    if (r == 0)
        r = parse_steps(&p, path);
    if (r == 0 && p.at < p.text.n)
        r = fail(&p, "'.' or '[' is expected");
    if (r == 0)
        *ret = take(path);
    return r;
}

/* ---- evaluation ---- */

struct walk {
    bool (*fn)(void *ctx, yyjson_val *v);
    void *ctx;
    size_t calls;
    bool stopped;
};

static void walk(struct walk *w, const struct jsonpath *path, size_t i, yyjson_val *v);

static int64_t clamp_index(int64_t i, int64_t n)
{
    i = i < 0 ? i + n : i;
    return MAX(0, MIN(i, n));
}

static void walk_slice(struct walk *w, const struct jsonpath *path, size_t i, yyjson_val *v)
{
    const struct step *s = &path->v[i];
    int64_t n = (int64_t)yyjson_arr_size(v);
    int64_t from = s->has_from ? clamp_index(s->from, n) : 0,
            to = s->has_to ? clamp_index(s->to, n) : n;

    for (; from < to && !w->stopped; from++)
        walk(w, path, i + 1, yyjson_arr_get(v, (size_t)from));
}

static int order(yyjson_val *a, yyjson_val *b, bool *ret_comparable)
{
    *ret_comparable = true;
    if (yyjson_is_num(a) && yyjson_is_num(b)) {
        double x = yyjson_get_num(a), y = yyjson_get_num(b);
        return x < y ? -1 : x > y;
    }
    if (yyjson_is_str(a) && yyjson_is_str(b))
        return strcmp(yyjson_get_str(a), yyjson_get_str(b));
    *ret_comparable = false;
    return 0;
}

static bool filter_holds(const struct step *s, yyjson_val *item)
{
    yyjson_val *left = jsonpath_first(s->left, item);
    yyjson_val *right = s->right ? jsonpath_first(s->right, item) : json_root(s->literal);
    bool comparable;

    if (s->compare == CMP_EXISTS || !left || !right)
        return s->compare == CMP_EXISTS && left;
    int c = order(left, right, &comparable);
    bool equal = comparable ? c == 0 : json_equal(left, right);
    switch (s->compare) {
    case CMP_EQ:
        return equal;
    case CMP_NE:
        return !equal;
    case CMP_LT:
        return comparable && c < 0;
    case CMP_LE:
        return comparable && c <= 0;
    case CMP_GT:
        return comparable && c > 0;
    default:
        return comparable && c >= 0;
    }
}

static void walk_all(struct walk *w, const struct jsonpath *path, size_t i, yyjson_val *v)
{
    const struct step *s = &path->v[i];

    json_each(v, item, k, n)
        if (!w->stopped && (s->kind == STEP_ALL || filter_holds(s, item)))
            walk(w, path, i + 1, item);
    json_each_member(v, key, val)
        if (!w->stopped && (s->kind == STEP_ALL || filter_holds(s, val)))
            walk(w, path, i + 1, val);
}

static void walk(struct walk *w, const struct jsonpath *path, size_t i, yyjson_val *v)
{
    if (!v || w->stopped)
        return;
    if (i == path->n) {
        w->calls++;
        w->stopped = !w->fn(w->ctx, v);
        return;
    }
    const struct step *s = &path->v[i];
    int64_t n = (int64_t)yyjson_arr_size(v), at = s->from < 0 ? s->from + n : s->from;
    switch (s->kind) {
    case STEP_FIELD:
        walk(w, path, i + 1, json_get(v, s->name));
        break;
    case STEP_INDEX:
        if (at >= 0 && at < n)
            walk(w, path, i + 1, yyjson_arr_get(v, (size_t)at));
        break;
    case STEP_SLICE:
        walk_slice(w, path, i, v);
        break;
    default:
        walk_all(w, path, i, v);
    }
}

size_t jsonpath_each(const struct jsonpath *p, yyjson_val *root,
                     bool (*fn)(void *ctx, yyjson_val *v), void *ctx)
{
    struct walk w = {.fn = fn, .ctx = ctx};

    walk(&w, p, 0, root);
    return w.calls;
}

static bool keep_first(void *ctx, yyjson_val *v)
{
    *(yyjson_val **)ctx = v;
    return false;
}

yyjson_val *jsonpath_first(const struct jsonpath *p, yyjson_val *root)
{
    yyjson_val *v = NULL;

    jsonpath_each(p, root, keep_first, &v);
    return v;
}
