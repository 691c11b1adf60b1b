#include "data/cel_node.h"
#include "data/gofmt.h"
#include "data/regex.h"
#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

enum kind { V_NULL, V_BOOL, V_INT, V_DOUBLE, V_STRING, V_LIST, V_MAP, V_ERROR };

struct value {
    enum kind kind;
    union {
        bool b;
        int64_t i;
        double d;
        struct slice s;
        struct {
            struct value *v;
            size_t n;
        } list;
        yyjson_val *json; /* a map, always an object of JSON */
    };
};

struct binding {
    struct slice name;
    struct value value;
    struct binding *outer;
};

struct machine {
    const struct cel_vars *vars;
    struct arena arena;
    size_t cost;
    struct binding *bindings;
    struct err err; /* of the value of kind V_ERROR made last */
};

static struct value eval(struct machine *m, const struct cel_node *n);

static struct value fail(struct machine *m, const char *fmt, ...) printf_like(2, 3);
static struct value fail(struct machine *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m->err.msg, sizeof(m->err.msg), fmt, ap);
    va_end(ap);
    return (struct value){.kind = V_ERROR};
}

static struct value no_overload(struct machine *m)
{
    return fail(m, "no such overload");
}

/* Counts work; past the limit everything is an error, also what && and || would absorb. */
static bool spend(struct machine *m, size_t n)
{
    if (m->cost <= CEL_MAX_COST)
        m->cost += n;
    return m->cost <= CEL_MAX_COST;
}

static struct value too_costly(struct machine *m)
{
    return fail(m, "operation cancelled: actual cost limit exceeded");
}

static struct value of_bool(bool b)
{
    return (struct value){.kind = V_BOOL, .b = b};
}

static struct value of_int(int64_t i)
{
    return (struct value){.kind = V_INT, .i = i};
}

static struct value of_double(double d)
{
    return (struct value){.kind = V_DOUBLE, .d = d};
}

static struct value of_string(struct slice s)
{
    return (struct value){.kind = V_STRING, .s = s};
}

static struct value of_json(struct machine *m, yyjson_val *v)
{
    if (yyjson_is_bool(v))
        return of_bool(yyjson_get_bool(v));
    if (yyjson_is_str(v))
        return of_string((struct slice){yyjson_get_str(v), yyjson_get_len(v)});
    if (yyjson_is_real(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
        return of_double(yyjson_get_num(v));
    if (yyjson_is_int(v))
        return of_int(yyjson_get_sint(v));
    if (yyjson_is_obj(v))
        return (struct value){.kind = V_MAP, .json = v};
    if (!yyjson_is_arr(v))
        return (struct value){.kind = V_NULL};
    struct value list = {.kind = V_LIST};
    list.list.n = yyjson_arr_size(v);
    if (!spend(m, list.list.n))
        return too_costly(m);
    list.list.v = arena_array(&m->arena, struct value, list.list.n ? list.list.n : 1);
    json_each(v, item, i, n) {
        list.list.v[i] = of_json(m, item);
        if (list.list.v[i].kind == V_ERROR)
            return list.list.v[i];
    }
    return list;
}

/* ---- comparing ---- */

static bool is_number(struct value v)
{
    return v.kind == V_INT || v.kind == V_DOUBLE;
}

static double as_double(struct value v)
{
    return v.kind == V_INT ? (double)v.i : v.d;
}

static bool equal(struct machine *m, struct value a, struct value b);

static bool maps_equal(struct machine *m, yyjson_val *a, yyjson_val *b)
{
    if (yyjson_obj_size(a) != yyjson_obj_size(b))
        return false;
    json_each_member(a, key, val) {
        yyjson_val *other = yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key));
        if (!other || !equal(m, of_json(m, val), of_json(m, other)))
            return false;
    }
    return true;
}

/* Values of different kinds are different, but numbers compare by what they count. */
static bool equal(struct machine *m, struct value a, struct value b)
{
    if (!spend(m, 1 + (a.kind == V_STRING ? a.s.n / 10 : 0)))
        return false;
    if (is_number(a) && is_number(b))
        return a.kind == b.kind && a.kind == V_INT ? a.i == b.i : as_double(a) == as_double(b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case V_BOOL:
        return a.b == b.b;
    case V_STRING:
        return slice_eq(a.s, b.s);
    case V_MAP:
        return maps_equal(m, a.json, b.json);
    case V_LIST:
        if (a.list.n != b.list.n)
            return false;
        for (size_t i = 0; i < a.list.n; i++)
            if (!equal(m, a.list.v[i], b.list.v[i]))
                return false;
        return true;
    default:
        return true;
    }
}

static struct value compare(struct machine *m, enum cel_kind op, struct value a, struct value b)
{
    int c;

    if (a.kind == V_INT && b.kind == V_INT)
        c = a.i < b.i ? -1 : a.i > b.i;
    else if (is_number(a) && is_number(b)) {
        double x = as_double(a), y = as_double(b);
        if (isnan(x) || isnan(y))
            return of_bool(false);
        c = x < y ? -1 : x > y;
    } else if (a.kind == V_STRING && b.kind == V_STRING) {
        c = memcmp(a.s.p, b.s.p, MIN(a.s.n, b.s.n));
        c = c ? c : a.s.n < b.s.n ? -1 : a.s.n > b.s.n;
    } else if (a.kind == V_BOOL && b.kind == V_BOOL)
        c = a.b - b.b;
    else
        return no_overload(m);
    return of_bool(op == CEL_LT ? c < 0 : op == CEL_LE ? c <= 0 : op == CEL_GT ? c > 0 : c >= 0);
}

static struct value is_in(struct machine *m, struct value item, struct value container)
{
    if (container.kind == V_MAP)
        return of_bool(item.kind == V_STRING &&
                       yyjson_obj_getn(container.json, item.s.p, item.s.n));
    if (container.kind != V_LIST)
        return no_overload(m);
    for (size_t i = 0; i < container.list.n; i++)
        if (equal(m, item, container.list.v[i]))
            return of_bool(true);
    return of_bool(false);
}

/* ---- arithmetic ---- */

static struct value concat_strings(struct machine *m, struct slice a, struct slice b)
{
    if (!spend(m, (a.n + b.n) / 10))
        return too_costly(m);
    char *text = arena_alloc(&m->arena, a.n + b.n + 1);
    memcpy(text, a.p, a.n);
    memcpy(text + a.n, b.p, b.n);
    return of_string((struct slice){text, a.n + b.n});
}

static struct value concat_lists(struct machine *m, struct value a, struct value b)
{
    struct value out = {.kind = V_LIST};

    out.list.n = a.list.n + b.list.n;
    if (!spend(m, out.list.n))
        return too_costly(m);
    out.list.v = arena_array(&m->arena, struct value, out.list.n ? out.list.n : 1);
    for (size_t i = 0; i < a.list.n; i++)
        out.list.v[i] = a.list.v[i];
    for (size_t i = 0; i < b.list.n; i++)
        out.list.v[a.list.n + i] = b.list.v[i];
    return out;
}

static struct value int_math(struct machine *m, enum cel_kind op, int64_t a, int64_t b)
{
    int64_t out = 0;
    bool over = false;

    if ((op == CEL_DIV || op == CEL_MOD) && b == 0)
        return fail(m, op == CEL_DIV ? "division by zero" : "modulus by zero");
    if (op == CEL_ADD)
        over = __builtin_add_overflow(a, b, &out);
    else if (op == CEL_SUB)
        over = __builtin_sub_overflow(a, b, &out);
    else if (op == CEL_MUL)
        over = __builtin_mul_overflow(a, b, &out);
    else if (b == -1) /* the smallest number has no opposite */
        over = op == CEL_DIV ? __builtin_sub_overflow(0, a, &out) : a == INT64_MIN;
    else
        out = op == CEL_DIV ? a / b : a % b;
    return over ? fail(m, "integer overflow") : of_int(out);
}

static struct value math(struct machine *m, enum cel_kind op, struct value a, struct value b)
{
    if (a.kind == V_INT && b.kind == V_INT)
        return int_math(m, op, a.i, b.i);
    if (a.kind == V_DOUBLE && b.kind == V_DOUBLE && op != CEL_MOD)
        return of_double(op == CEL_ADD   ? a.d + b.d
                         : op == CEL_SUB ? a.d - b.d
                         : op == CEL_MUL ? a.d * b.d
                                         : a.d / b.d);
    if (op == CEL_ADD && a.kind == V_STRING && b.kind == V_STRING)
        return concat_strings(m, a.s, b.s);
    if (op == CEL_ADD && a.kind == V_LIST && b.kind == V_LIST)
        return concat_lists(m, a, b);
    return no_overload(m);
}

static struct value eval_binary(struct machine *m, const struct cel_node *n)
{
    struct value a = eval(m, n->args[0]);
    if (a.kind == V_ERROR)
        return a;
    struct value b = eval(m, n->args[1]);
    if (b.kind == V_ERROR)
        return b;
    switch (n->kind) {
    case CEL_EQ:
        return of_bool(equal(m, a, b));
    case CEL_NE:
        return of_bool(!equal(m, a, b));
    case CEL_IN:
        return is_in(m, a, b);
    case CEL_LT:
    case CEL_LE:
    case CEL_GT:
    case CEL_GE:
        return compare(m, n->kind, a, b);
    default:
        return math(m, n->kind, a, b);
    }
}

/* ---- logic: an error does not matter where the other side decides ---- */

static struct value eval_logic(struct machine *m, const struct cel_node *n)
{
    bool decisive = n->kind == CEL_OR;
    struct value a = eval(m, n->args[0]);

    if (a.kind == V_BOOL && a.b == decisive)
        return a;
    struct err first = m->err;
    struct value b = eval(m, n->args[1]);
    if (b.kind == V_BOOL && b.b == decisive)
        return b;
    if (a.kind == V_ERROR)
        m->err = first;
    if (a.kind == V_ERROR || b.kind == V_ERROR)
        return (struct value){.kind = V_ERROR};
    if (a.kind != V_BOOL || b.kind != V_BOOL)
        return no_overload(m);
    return of_bool(!decisive);
}

static struct value eval_cond(struct machine *m, const struct cel_node *n)
{
    struct value c = eval(m, n->args[0]);

    if (c.kind == V_ERROR)
        return c;
    if (c.kind != V_BOOL)
        return no_overload(m);
    return eval(m, n->args[c.b ? 1 : 2]);
}

/* ---- members ---- */

static struct value eval_select(struct machine *m, const struct cel_node *n, bool test)
{
    struct value of = eval(m, n->args[0]);

    if (of.kind == V_ERROR)
        return of;
    if (of.kind != V_MAP)
        return no_overload(m);
    yyjson_val *v = yyjson_obj_getn(of.json, n->text.p, n->text.n);
    if (test)
        return of_bool(v);
    return v ? of_json(m, v) : fail(m, "no such key: %.*s", SLICE_FMT(n->text));
}

static struct value eval_index(struct machine *m, const struct cel_node *n)
{
    struct value of = eval(m, n->args[0]);
    if (of.kind == V_ERROR)
        return of;
    struct value key = eval(m, n->args[1]);
    if (key.kind == V_ERROR)
        return key;
    if (of.kind == V_MAP && key.kind == V_STRING) {
        yyjson_val *v = yyjson_obj_getn(of.json, key.s.p, key.s.n);
        return v ? of_json(m, v) : fail(m, "no such key: %.*s", SLICE_FMT(key.s));
    }
    if (of.kind != V_LIST || key.kind != V_INT)
        return no_overload(m);
    if (key.i < 0 || (uint64_t)key.i >= of.list.n)
        return fail(m, "index out of bounds: %lld", (long long)key.i);
    return of.list.v[key.i];
}

static struct value eval_var(struct machine *m, struct slice name)
{
    for (struct binding *b = m->bindings; b; b = b->outer)
        if (slice_eq(b->name, name))
            return b->value;
    yyjson_val *v = slice_is(name, "self") ? m->vars->self : m->vars->old_self;
    return v ? of_json(m, v) : fail(m, "no such attribute(s): %.*s", SLICE_FMT(name));
}

static struct value eval_list(struct machine *m, const struct cel_node *n)
{
    struct value list = {.kind = V_LIST};

    list.list.n = n->n;
    list.list.v = arena_array(&m->arena, struct value, n->n ? n->n : 1);
    for (size_t i = 0; i < n->n; i++) {
        list.list.v[i] = eval(m, n->args[i]);
        if (list.list.v[i].kind == V_ERROR)
            return list.list.v[i];
    }
    return list;
}

/* ---- macros ---- */

/* A list as it is; of a map its keys. */
static struct value range_of(struct machine *m, struct value v)
{
    if (v.kind == V_LIST || v.kind == V_ERROR)
        return v;
    if (v.kind != V_MAP)
        return no_overload(m);
    struct value keys = {.kind = V_LIST};
    keys.list.n = yyjson_obj_size(v.json);
    keys.list.v = arena_array(&m->arena, struct value, keys.list.n ? keys.list.n : 1);
    size_t i = 0;
    json_each_member(v.json, key, ignored) {
        (void)ignored;
        keys.list.v[i++] = of_json(m, key);
    }
    return keys;
}

struct fold {
    struct value result; /* all, exists: what is known; filter, map: the list */
    int64_t count;
    struct err err; /* of an error that a later item may still absorb */
    bool failed;
};

/* Takes one item's verdict into account; true when the result is settled. */
static bool fold_item(struct machine *m, const struct cel_node *n, struct value item,
                      struct value body, struct fold *f)
{
    bool listing = n->macro == MACRO_FILTER || n->macro == MACRO_MAP;
    bool decisive = n->macro == MACRO_EXISTS;

    if (body.kind == V_ERROR || (!(n->macro == MACRO_MAP && n->n == 2) && body.kind != V_BOOL)) {
        if (body.kind != V_ERROR)
            no_overload(m);
        if (!f->failed)
            f->err = m->err;
        f->failed = true;
        return listing || n->macro == MACRO_EXISTS_ONE; /* nothing absorbs these */
    }
    if (listing && n->macro == MACRO_MAP && n->n == 2) {
        f->result.list.v[f->result.list.n++] = body;
    } else if (listing && body.b) {
        f->result.list.v[f->result.list.n] = n->n == 3 ? eval(m, n->args[2]) : item;
        if (f->result.list.v[f->result.list.n++].kind == V_ERROR) {
            f->err = m->err;
            f->failed = true;
            return true;
        }
    } else if (n->macro == MACRO_EXISTS_ONE) {
        f->count += body.b;
    } else if (!listing && body.b == decisive) {
        f->result = of_bool(decisive);
        f->failed = false;
        return true;
    }
    return false;
}

static struct value eval_macro(struct machine *m, const struct cel_node *n)
{
    struct value range = range_of(m, eval(m, n->args[0]));
    struct fold f = {.result = of_bool(n->macro == MACRO_ALL)};
    struct binding binding = {.name = n->text, .outer = m->bindings};
    bool settled = false;

    if (range.kind == V_ERROR)
        return range;
    if (n->macro == MACRO_FILTER || n->macro == MACRO_MAP) {
        f.result = (struct value){.kind = V_LIST};
        f.result.list.v = arena_array(&m->arena, struct value, range.list.n + 1);
    }
    for (size_t i = 0; !settled && i < range.list.n; i++) {
        if (!spend(m, 1))
            return too_costly(m);
        binding.value = range.list.v[i];
        m->bindings = &binding;
        struct value body = eval(m, n->args[1]);
        settled = fold_item(m, n, range.list.v[i], body, &f);
        m->bindings = binding.outer;
    }
    if (f.failed) {
        m->err = f.err;
        return (struct value){.kind = V_ERROR};
    }
    return n->macro == MACRO_EXISTS_ONE ? of_bool(f.count == 1) : f.result;
}

/* ---- functions ---- */

static struct value size_of(struct machine *m, struct value v)
{
    int64_t n = 0;

    if (v.kind == V_LIST)
        return of_int((int64_t)v.list.n);
    if (v.kind == V_MAP)
        return of_int((int64_t)yyjson_obj_size(v.json));
    if (v.kind != V_STRING)
        return no_overload(m);
    for (size_t i = 0; i < v.s.n; i++)
        n += (v.s.p[i] & 0xc0) != 0x80;
    return spend(m, v.s.n / 10) ? of_int(n) : too_costly(m);
}

static struct value to_int(struct machine *m, struct value v)
{
    int64_t i;

    if (v.kind == V_INT)
        return v;
    if (v.kind == V_STRING)
        return slice_int64(v.s, &i) ? of_int(i)
                                    : fail(m, "type conversion error from 'string' to 'int'");
    if (v.kind != V_DOUBLE)
        return no_overload(m);
    if (!(v.d > -9.2e18 && v.d < 9.2e18))
        return fail(m, "integer overflow");
    return of_int((int64_t)v.d);
}

static struct value to_double(struct machine *m, struct value v)
{
    if (is_number(v))
        return of_double(as_double(v));
    if (v.kind != V_STRING)
        return no_overload(m);
    char *end, *text = arena_strndup(&m->arena, v.s.p, v.s.n);
    double d = strtod(text, &end);
    return *text && !*end ? of_double(d)
                          : fail(m, "type conversion error from 'string' to 'double'");
}

static struct value to_string(struct machine *m, struct value v)
{
    char number[GO_FLOAT_TEXT];

    switch (v.kind) {
    case V_STRING:
        return v;
    case V_INT:
        return of_string(slice_of(arena_printf(&m->arena, "%lld", (long long)v.i)));
    case V_DOUBLE:
        return of_string(slice_of(arena_strdup(&m->arena, go_float(v.d, number))));
    case V_BOOL:
        return of_string(v.b ? SLICE("true") : SLICE("false"));
    default:
        return no_overload(m);
    }
}

static struct value change_case(struct machine *m, struct slice s, bool upper)
{
    char *text = arena_strndup(&m->arena, s.p, s.n);

    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)text[i] < 0x80)
            text[i] = (char)(upper ? toupper(text[i]) : tolower(text[i]));
    return of_string((struct slice){text, s.n});
}

static bool contains(struct slice s, struct slice part)
{
    return !part.n || (s.n && memmem(s.p, s.n, part.p, part.n));
}

static bool ends_with(struct slice s, struct slice end)
{
    return s.n >= end.n && slice_eq((struct slice){s.p + s.n - end.n, end.n}, end);
}

static struct value matches(struct machine *m, const struct cel_node *n, struct slice s,
                            struct slice pattern)
{
    struct regex *re cleanup(regex_free_p) = NULL;
    struct err err = {0};

    if (!spend(m, s.n * (pattern.n / 4 + 1) / 4))
        return too_costly(m);
    if (n->regex)
        return of_bool(regex_matches(n->regex, s));
    if (regex_compile(pattern, &re, &err) < 0)
        return fail(m, "%s", err.msg);
    return of_bool(regex_matches(re, s));
}

static struct value string_call(struct machine *m, const struct cel_node *n, struct slice s,
                                struct value arg)
{
    if (n->function == FN_LOWER || n->function == FN_UPPER)
        return change_case(m, s, n->function == FN_UPPER);
    if (n->function == FN_TRIM)
        return of_string(slice_trim(s));
    if (arg.kind != V_STRING)
        return no_overload(m);
    if (n->function == FN_STARTS_WITH)
        return of_bool(slice_starts(s, arg.s));
    if (n->function == FN_ENDS_WITH)
        return of_bool(ends_with(s, arg.s));
    return n->function == FN_CONTAINS ? of_bool(contains(s, arg.s)) : matches(m, n, s, arg.s);
}

static struct value eval_call(struct machine *m, const struct cel_node *n)
{
    struct value args[2] = {{0}};

    for (size_t i = 0; i < n->n; i++) {
        args[i] = eval(m, n->args[i]);
        if (args[i].kind == V_ERROR)
            return args[i];
    }
    switch (n->function) {
    case FN_SIZE:
        return size_of(m, args[0]);
    case FN_INT:
        return to_int(m, args[0]);
    case FN_DOUBLE:
        return to_double(m, args[0]);
    case FN_STRING:
        return to_string(m, args[0]);
    case FN_DYN:
        return args[0];
    default:
        if (args[0].kind != V_STRING)
            return no_overload(m);
        if (!spend(m, args[0].s.n / 10))
            return too_costly(m);
        return string_call(m, n, args[0].s, args[1]);
    }
}

static struct value negate(struct machine *m, struct value v)
{
    if (v.kind == V_INT)
        return int_math(m, CEL_SUB, 0, v.i);
    if (v.kind == V_DOUBLE)
        return of_double(-v.d);
    return v.kind == V_ERROR ? v : no_overload(m);
}

static struct value invert(struct machine *m, struct value v)
{
    if (v.kind == V_BOOL)
        return of_bool(!v.b);
    return v.kind == V_ERROR ? v : no_overload(m);
}

static struct value eval_node(struct machine *m, const struct cel_node *n)
{
    switch (n->kind) {
    case CEL_NULL:
        return (struct value){.kind = V_NULL};
    case CEL_BOOL:
        return of_bool(n->b);
    case CEL_INT:
        return of_int(n->i);
    case CEL_DOUBLE:
        return of_double(n->d);
    case CEL_STRING:
        return of_string(n->text);
    case CEL_LIST:
        return eval_list(m, n);
    case CEL_VAR:
        return eval_var(m, n->text);
    case CEL_SELECT:
    case CEL_HAS:
        return eval_select(m, n, n->kind == CEL_HAS);
    case CEL_INDEX:
        return eval_index(m, n);
    case CEL_NOT:
        return invert(m, eval(m, n->args[0]));
    case CEL_NEGATE:
        return negate(m, eval(m, n->args[0]));
    case CEL_AND:
    case CEL_OR:
        return eval_logic(m, n);
    case CEL_COND:
        return eval_cond(m, n);
    case CEL_CALL:
        return eval_call(m, n);
    case CEL_MACRO:
        return eval_macro(m, n);
    default:
        return eval_binary(m, n);
    }
}

static struct value eval(struct machine *m, const struct cel_node *n)
{
    if (!spend(m, 1))
        return too_costly(m);
    return eval_node(m, n);
}

/* Evaluates; the machine's arena holds what the result points to. */
static int run(const struct cel *c, const struct cel_vars *vars, struct machine *m,
               struct value *ret, struct err *err)
{
    *m = (struct machine){.vars = vars};
    *ret = eval(m, c->root);
    if (m->cost > CEL_MAX_COST)
        *ret = too_costly(m);
    return ret->kind == V_ERROR ? err_set(err, ERR_INVALID, "%s", m->err.msg) : 0;
}

int cel_eval_bool(const struct cel *c, const struct cel_vars *vars, bool *ret, struct err *err)
{
    struct machine m;
    struct value v;
    int r = run(c, vars, &m, &v, err);

    if (r == 0 && v.kind != V_BOOL)
        r = err_set(err, ERR_INVALID, "the rule does not give a bool");
    if (r == 0)
        *ret = v.b;
    arena_done(&m.arena);
    return r;
}

int cel_eval_string(const struct cel *c, const struct cel_vars *vars, struct buf *ret,
                    struct err *err)
{
    struct machine m;
    struct value v;
    int r = run(c, vars, &m, &v, err);

    if (r == 0 && v.kind != V_STRING)
        r = err_set(err, ERR_INVALID, "messageExpression failed to convert to string");
    if (r == 0)
        buf_add_slice(ret, v.s);
    arena_done(&m.arena);
    return r;
}
