/* JSON patch (RFC 6902) and JSON pointers (RFC 6901). */
#include "data/patch.h"
#include "data/gofmt.h"
#include "base/mem.h"

/* Values that all copy operations of one patch may add: copies of copies grow without bound. */
#define MAX_COPIED 1000000

/*
 * Cuts the next token off a pointer that stands at a '/'. Tokens are decoded into buf: ~1 is a
 * slash, ~0 a tilde; any other tilde stands for itself, as kube-apiserver has it.
 */
static void next_token(struct slice *pointer, struct buf *token)
{
    size_t i = 1;

    buf_reset(token);
    buf_add(token, "", 0);
    for (; i < pointer->n && pointer->p[i] != '/'; i++) {
        char c = pointer->p[i];
        char escaped = c == '~' && i + 1 < pointer->n ? pointer->p[i + 1] : '\0';
        if (escaped == '0' || escaped == '1') {
            c = escaped == '1' ? '/' : '~';
            i++;
        }
        buf_addc(token, c);
    }
    pointer->p += i;
    pointer->n -= i;
}

/*
 * An index into n items: 0 … n-1, or -1 … -n from the end; with_end allows n itself and "-".
 * Negative indices are no part of the RFC, but a kube-apiserver takes them.
 */
static bool parse_index(struct slice token, size_t n, bool with_end, size_t *ret)
{
    int64_t i, limit = (int64_t)n + with_end;

    if (with_end && slice_is(token, "-")) {
        *ret = n;
        return true;
    }
    if (!slice_int64(token, &i) || i >= limit || i < -limit)
        return false;
    *ret = (size_t)(i < 0 ? i + limit : i);
    return true;
}

/* The member or item that token names; NULL if there is none. */
static yyjson_mut_val *child(yyjson_mut_val *v, struct slice token)
{
    size_t i;

    if (yyjson_mut_is_obj(v))
        return yyjson_mut_obj_getn(v, token.p, token.n);
    if (yyjson_mut_is_arr(v) && parse_index(token, yyjson_mut_arr_size(v), false, &i))
        return yyjson_mut_arr_get(v, i);
    return NULL;
}

int json_pointer(yyjson_mut_val *root, struct slice pointer, yyjson_mut_val **ret, struct err *err)
{
    struct buf token cleanup(buf_done) = BUF_INIT;
    struct slice rest = pointer;

    if (rest.n && *rest.p != '/')
        return err_set(err, ERR_BAD_REQUEST,
                       "a JSON pointer must be empty or begin with '/': \"%.*s\"",
                       SLICE_FMT(pointer));
    *ret = root;
    while (rest.n && *ret) {
        next_token(&rest, &token);
        *ret = child(*ret, buf_slice(&token));
    }
    if (!*ret)
        return err_set(err, ERR_NOT_FOUND, "nothing at \"%.*s\"", SLICE_FMT(pointer));
    return 0;
}

/* ---- operations ---- */

struct patcher {
    yyjson_mut_doc *doc;
    yyjson_mut_val **root;
    yyjson_val *op;
    const char *kind;
    size_t copied;
    struct err *err;
};

/* A place in the document: a container, and the last token in it. */
struct place {
    struct slice pointer;
    yyjson_mut_val *parent;
    struct buf key;
    size_t depth;
};

static void place_done(struct place *p)
{
    buf_done(&p->key);
}

static int fail(struct patcher *p, struct slice pointer, const char *what)
{
    return err_set(p->err, ERR_INVALID, "%s operation does not apply at \"%.*s\": %s", p->kind,
                   SLICE_FMT(pointer), what);
}

/* Reads the pointer in op's member and walks to the container of what it names. */
static int find_place(struct patcher *p, const char *member, struct place *ret)
{
    yyjson_val *pointer = json_get(p->op, member);
    struct slice rest = {yyjson_get_str(pointer), yyjson_get_len(pointer)};

    ret->pointer = rest;
    if (!yyjson_is_str(pointer))
        return err_set(p->err, ERR_INVALID, "%s operation has no \"%s\"", p->kind, member);
    if (!rest.n)
        return fail(p, rest, "the whole document cannot be changed so");
    while (rest.n && *rest.p != '/') /* Go's library looks at what stands behind a slash only */
        rest = (struct slice){rest.p + 1, rest.n - 1};
    if (!rest.n)
        return fail(p, ret->pointer, "it must begin with '/'");
    ret->parent = *p->root;
    for (;;) {
        next_token(&rest, &ret->key);
        ret->depth++;
        if (!rest.n)
            break;
        ret->parent = child(ret->parent, buf_slice(&ret->key));
        if (!yyjson_mut_is_ctn(ret->parent))
            return fail(p, ret->pointer, "doc is missing path");
    }
    return yyjson_mut_is_ctn(ret->parent) ? 0 : fail(p, ret->pointer, "doc is missing path");
}

static size_t mut_depth(yyjson_mut_val *v)
{
    size_t idx, max, deepest = 0, inner;
    yyjson_mut_val *key, *val;

    if (yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, idx, max, key, val) deepest =
            (inner = mut_depth(val)) > deepest ? inner : deepest; /* MAX would count twice */
    } else if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, idx, max, val)
            deepest = (inner = mut_depth(val)) > deepest ? inner : deepest;
    } else {
        return 0;
    }
    return deepest + 1;
}

static size_t mut_count(yyjson_mut_val *v)
{
    size_t idx, max, n = 1;
    yyjson_mut_val *key, *val;

    if (yyjson_mut_is_obj(v))
        yyjson_mut_obj_foreach(v, idx, max, key, val) n += 1 + mut_count(val);
    else if (yyjson_mut_is_arr(v))
        yyjson_mut_arr_foreach(v, idx, max, val)
            n += mut_count(val);
    return n + yyjson_mut_get_len(v) / 64;
}

static void put_member(struct patcher *p, struct place *at, yyjson_mut_val *v)
{
    struct slice key = buf_slice(&at->key);
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(at->parent);

    for (yyjson_mut_val *k; (k = yyjson_mut_obj_iter_next(&it));) {
        if (!slice_eq((struct slice){yyjson_mut_get_str(k), yyjson_mut_get_len(k)}, key))
            continue;
        yyjson_mut_obj_replace(at->parent, yyjson_mut_strncpy(p->doc, key.p, key.n), v);
        return;
    }
    yyjson_mut_obj_add(at->parent, yyjson_mut_strncpy(p->doc, key.p, key.n), v);
}

static int add_at(struct patcher *p, struct place *at, yyjson_mut_val *v)
{
    size_t i;

    if (at->depth + mut_depth(v) > JSON_MAX_DEPTH)
        return fail(p, at->pointer, "the result would be nested too deep");
    if (yyjson_mut_is_obj(at->parent)) {
        put_member(p, at, v);
        return 0;
    }
    if (!parse_index(buf_slice(&at->key), yyjson_mut_arr_size(at->parent), true, &i))
        return fail(p, at->pointer, "no such array index");
    yyjson_mut_arr_insert(at->parent, v, i);
    return 0;
}

static int remove_at(struct patcher *p, struct place *at, yyjson_mut_val **ret)
{
    struct slice key = buf_slice(&at->key);
    size_t i;

    if (yyjson_mut_is_obj(at->parent)) {
        *ret = yyjson_mut_obj_remove_keyn(at->parent, key.p, key.n);
        return *ret ? 0 : fail(p, at->pointer, "no such member to remove");
    }
    if (!parse_index(key, yyjson_mut_arr_size(at->parent), false, &i))
        return fail(p, at->pointer, "no such array index");
    *ret = yyjson_mut_arr_remove(at->parent, i);
    return 0;
}

/* The operation's value; null where it has none. */
static yyjson_mut_val *value_of(struct patcher *p)
{
    yyjson_val *v = json_get(p->op, "value");

    return v ? json_thaw(p->doc, v) : yyjson_mut_null(p->doc);
}

static int op_add(struct patcher *p)
{
    struct place at cleanup(place_done) = {0};
    int r = find_place(p, "path", &at);

    return r < 0 ? r : add_at(p, &at, value_of(p));
}

static int op_remove(struct patcher *p)
{
    struct place at cleanup(place_done) = {0};
    yyjson_mut_val *removed;
    int r = find_place(p, "path", &at);

    return r < 0 ? r : remove_at(p, &at, &removed);
}

static int replace_root(struct patcher *p)
{
    yyjson_val *v = json_get(p->op, "value");

    if (!yyjson_is_ctn(v))
        return fail(p, SLICE(""), "the value must be an object or an array");
    *p->root = json_thaw(p->doc, v);
    return 0;
}

static bool is_root(struct patcher *p)
{
    yyjson_val *pointer = json_get(p->op, "path");

    return yyjson_is_str(pointer) && yyjson_get_len(pointer) == 0;
}

static int op_replace(struct patcher *p)
{
    struct place at cleanup(place_done) = {0};
    size_t i;

    if (is_root(p))
        return replace_root(p);
    int r = find_place(p, "path", &at);
    if (r < 0)
        return r;
    if (yyjson_mut_is_obj(at.parent)) /* also a member that is not there */
        return add_at(p, &at, value_of(p));
    if (!parse_index(buf_slice(&at.key), yyjson_mut_arr_size(at.parent), false, &i))
        return fail(p, at.pointer, "no such array index");
    yyjson_mut_val *v = value_of(p);
    if (at.depth + mut_depth(v) > JSON_MAX_DEPTH)
        return fail(p, at.pointer, "the result would be nested too deep");
    yyjson_mut_arr_replace(at.parent, i, v);
    return 0;
}

static int op_move(struct patcher *p)
{
    struct place from cleanup(place_done) = {0}, to cleanup(place_done) = {0};
    yyjson_mut_val *v;
    int r = find_place(p, "from", &from);

    if (r < 0)
        return r;
    r = remove_at(p, &from, &v);
    if (r < 0)
        return r;
    r = find_place(p, "path", &to);
    return r < 0 ? r : add_at(p, &to, v);
}

/* A member that is not there is copied as null, an item that is not there is an error. */
static int op_copy(struct patcher *p)
{
    struct place from cleanup(place_done) = {0}, to cleanup(place_done) = {0};
    int r = find_place(p, "from", &from);

    if (r < 0)
        return r;
    yyjson_mut_val *v = child(from.parent, buf_slice(&from.key));
    if (!v && yyjson_mut_is_arr(from.parent))
        return fail(p, from.pointer, "no such array index");
    p->copied += v ? mut_count(v) : 1;
    if (p->copied > MAX_COPIED)
        return fail(p, from.pointer, "too much is copied");
    r = find_place(p, "path", &to);
    if (r < 0)
        return r;
    return add_at(p, &to, v ? json_dup(p->doc, v) : yyjson_mut_null(p->doc));
}

static int op_test(struct patcher *p)
{
    struct place at cleanup(place_done) = {0};
    yyjson_mut_val *have = *p->root;

    if (!is_root(p)) {
        int r = find_place(p, "path", &at);
        if (r < 0)
            return r;
        have = child(at.parent, buf_slice(&at.key));
        if (!have && yyjson_mut_is_arr(at.parent))
            return fail(p, at.pointer, "no such array index");
    }
    yyjson_mut_val *want = value_of(p);
    if (have ? yyjson_mut_equals(have, want) : yyjson_mut_is_null(want))
        return 0;
    return fail(p, at.pointer, "the value there is another");
}

static const struct {
    const char *name;
    int (*apply)(struct patcher *p);
} ops[] = {
    {"add", op_add},   {"remove", op_remove}, {"replace", op_replace},
    {"move", op_move}, {"copy", op_copy},     {"test", op_test},
};

static int apply_op(struct patcher *p)
{
    p->kind = json_get_str(p->op, "op", "unknown");
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (!strcmp(ops[i].name, p->kind))
            return ops[i].apply(p);
    return err_set(p->err, ERR_INVALID, "Unexpected kind: %s", p->kind);
}

static const char *go_kind(yyjson_val *v)
{
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return "number";
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_OBJ:
        return "object";
    default:
        return "null";
    }
}

static int check_op(yyjson_val *op, struct err *err)
{
    static const char *const texts[] = {"op", "path", "from"};

    if (!yyjson_is_obj(op) && !yyjson_is_null(op))
        return err_set(err, ERR_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "handlers.jsonPatchOp",
                       go_kind(op));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        yyjson_val *v = json_get(op, texts[i]);
        if (v && !yyjson_is_str(v) && !yyjson_is_null(v))
            return err_set(err, ERR_BAD_REQUEST,
                           "error decoding patch: json: cannot unmarshal %s into Go struct field "
                           "jsonPatchOp.%s of type string",
                           go_kind(v), texts[i]);
    }
    return 0;
}

int patch_json(yyjson_mut_doc *doc, yyjson_mut_val **root, yyjson_val *patch, struct err *err)
{
    struct patcher p = {.doc = doc, .root = root, .err = err};

    if (!yyjson_is_arr(patch))
        return err_set(err, ERR_BAD_REQUEST,
                       "error decoding patch: json: cannot unmarshal %s into Go value of type "
                       "[]handlers.jsonPatchOp",
                       go_kind(patch));
    if (yyjson_arr_size(patch) > PATCH_MAX_OPS)
        return err_set(err, ERR_TOO_LARGE,
                       "The allowed maximum operations in a JSON patch is %d, got %zu",
                       PATCH_MAX_OPS, yyjson_arr_size(patch));
    json_each(patch, op, i, n) {
        int r = check_op(op, err);
        if (r < 0)
            return r;
    }
    json_each(patch, op, j, m) {
        p.op = op;
        int r = apply_op(&p);
        if (r < 0)
            return r;
    }
    return 0;
}
