#include "kube/pack.h"

#include "base/mem.h"
#include "kube/words.h"

#include <string.h>

/*
 * A value is a byte and what it asks for; members follow their object as name, value, name, value.
 * Numbers have seven bits a byte, the lowest first, the eighth bit says that there are more.
 */
enum code {
    CODE_NULL,
    CODE_FALSE,
    CODE_TRUE,
    CODE_UINT, /* number */
    CODE_SINT, /* number: of a negative one, without its sign */
    CODE_REAL, /* eight bytes */
    CODE_TEXT, /* number, bytes */
    CODE_ARR,  /* number of items */
    CODE_OBJ,  /* number of members */
    CODE_SMALL_ARR = 0x10,
    CODE_SMALL_OBJ = 0x20,
    CODE_SHORT = 0x40, /* text of up to 63 bytes */
    CODE_WORD = 0x80,  /* 14 bits: this byte's low six, one more */
    CODE_FAR = 0xc0,   /* 22 bits: this byte's low six, two more */
};

#define SMALL 16
#define SHORT 64
#define WORD_MIN 3 /* a text shorter than that is no longer than the number of its word */
#define NEAR (1u << 14)

struct packed {
    uint32_t vals, bytes; /* values and names; what the texts take, each with its NUL */
    uint8_t code[];
};

/* ---- writing ---- */

struct packer {
    struct buf out;
    size_t vals, bytes;
};

static void add_number(struct packer *p, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_addc(&p->out, (char)(n | 0x80));
    buf_addc(&p->out, (char)n);
}

static void add_count(struct packer *p, enum code small, enum code large, size_t n)
{
    if (n < SMALL) {
        buf_addc(&p->out, (char)(small + n));
    } else {
        buf_addc(&p->out, (char)large);
        add_number(p, n);
    }
}

static void add_word(struct packer *p, uint32_t id)
{
    if (id >= NEAR)
        buf_addc(&p->out, (char)(CODE_FAR | id >> 16));
    buf_addc(&p->out, (char)(id >= NEAR ? id >> 8 : CODE_WORD | id >> 8));
    buf_addc(&p->out, (char)id);
}

static void add_text(struct packer *p, yyjson_mut_val *v, bool name)
{
    struct slice s = {yyjson_mut_get_str(v), yyjson_mut_get_len(v)};
    uint32_t id = s.n < WORD_MIN ? 0 : words_take(s, name);

    p->vals++;
    p->bytes += s.n + 1;
    if (id) {
        add_word(p, id);
        return;
    }
    if (s.n < SHORT) {
        buf_addc(&p->out, (char)(CODE_SHORT + s.n));
    } else {
        buf_addc(&p->out, CODE_TEXT);
        add_number(p, s.n);
    }
    buf_add_slice(&p->out, s);
}

static void add_scalar(struct packer *p, yyjson_mut_val *v)
{
    p->vals++;
    if (yyjson_mut_is_bool(v)) {
        buf_addc(&p->out, yyjson_mut_get_bool(v) ? CODE_TRUE : CODE_FALSE);
    } else if (yyjson_mut_is_uint(v)) {
        buf_addc(&p->out, CODE_UINT);
        add_number(p, yyjson_mut_get_uint(v));
    } else if (yyjson_mut_is_sint(v)) {
        buf_addc(&p->out, CODE_SINT);
        add_number(p, -(uint64_t)yyjson_mut_get_sint(v));
    } else if (yyjson_mut_is_real(v)) {
        double d = yyjson_mut_get_real(v);
        buf_addc(&p->out, CODE_REAL);
        buf_add(&p->out, &d, sizeof d);
    } else {
        buf_addc(&p->out, CODE_NULL);
    }
}

static void add(struct packer *p, yyjson_mut_val *v)
{
    size_t i, n;
    yyjson_mut_val *key, *item;

    if (yyjson_mut_is_str(v)) {
        add_text(p, v, false);
    } else if (yyjson_mut_is_arr(v)) {
        p->vals++;
        add_count(p, CODE_SMALL_ARR, CODE_ARR, yyjson_mut_arr_size(v));
        yyjson_mut_arr_foreach(v, i, n, item)
            add(p, item);
    } else if (yyjson_mut_is_obj(v)) {
        p->vals++;
        add_count(p, CODE_SMALL_OBJ, CODE_OBJ, yyjson_mut_obj_size(v));
        yyjson_mut_obj_foreach(v, i, n, key, item)
        {
            add_text(p, key, true);
            add(p, item);
        }
    } else {
        add_scalar(p, v);
    }
}

struct packed *packed_new(yyjson_mut_val *v)
{
    struct packer p = {0};

    buf_reserve(&p.out, 2048);
    add(&p, v);
    struct packed *r = xmalloc(sizeof *r + p.out.len);
    *r = (struct packed){(uint32_t)p.vals, (uint32_t)p.bytes};
    memcpy(r->code, p.out.data, p.out.len);
    buf_done(&p.out);
    return r;
}

/* ---- reading ---- */

static uint64_t number(const uint8_t **at)
{
    uint64_t n = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t c = *(*at)++;
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return n;
    }
}

/* The word that a code c (already read) begins. */
static uint32_t word_id(uint8_t c, const uint8_t **at)
{
    uint32_t id = c & 0x3f;

    for (int more = c >= CODE_FAR ? 2 : 1; more; more--)
        id = id << 8 | *(*at)++;
    return id;
}

/* The text of a value that is one; false for others, nothing read then. */
static bool text_at(const uint8_t **at, struct slice *ret)
{
    uint8_t c = **at;

    if (c < CODE_SHORT && c != CODE_TEXT)
        return false;
    (*at)++;
    if (c >= CODE_WORD) {
        *ret = words_text(word_id(c, at));
        return true;
    }
    ret->n = c == CODE_TEXT ? (size_t)number(at) : (size_t)(c - CODE_SHORT);
    ret->p = (const char *)*at;
    *at += ret->n;
    return true;
}

struct opener {
    const uint8_t *at;
    yyjson_val *val;
    char *pool;
};

static void set(yyjson_val *v, yyjson_type type, yyjson_subtype sub, size_t len)
{
    v->tag = (uint64_t)len << YYJSON_TAG_BIT | type | sub;
}

static bool open_text(struct opener *o, yyjson_val *to)
{
    struct slice s;

    if (!text_at(&o->at, &s))
        return false;
    set(to, YYJSON_TYPE_STR, YYJSON_SUBTYPE_NONE, s.n);
    to->uni.str = memcpy(o->pool, s.p, s.n);
    o->pool[s.n] = '\0';
    o->pool += s.n + 1;
    return true;
}

static void open_scalar(struct opener *o, yyjson_val *to)
{
    uint8_t c = *o->at++;

    switch (c) {
    case CODE_FALSE:
    case CODE_TRUE:
        set(to, YYJSON_TYPE_BOOL, c == CODE_TRUE ? YYJSON_SUBTYPE_TRUE : YYJSON_SUBTYPE_FALSE, 0);
        break;
    case CODE_UINT:
        set(to, YYJSON_TYPE_NUM, YYJSON_SUBTYPE_UINT, 0);
        to->uni.u64 = number(&o->at);
        break;
    case CODE_SINT:
        set(to, YYJSON_TYPE_NUM, YYJSON_SUBTYPE_SINT, 0);
        to->uni.i64 = (int64_t)-number(&o->at);
        break;
    case CODE_REAL:
        set(to, YYJSON_TYPE_NUM, YYJSON_SUBTYPE_REAL, 0);
        memcpy(&to->uni.f64, o->at, sizeof to->uni.f64);
        o->at += sizeof to->uni.f64;
        break;
    default:
        set(to, YYJSON_TYPE_NULL, YYJSON_SUBTYPE_NONE, 0);
    }
}

/* Items or members of a container; false for others, nothing read then. */
static bool count_at(struct opener *o, bool *ret_obj, size_t *ret_n)
{
    uint8_t c = *o->at;

    if (c != CODE_ARR && c != CODE_OBJ && (c < CODE_SMALL_ARR || c >= CODE_SMALL_OBJ + SMALL))
        return false;
    o->at++;
    *ret_obj = c == CODE_OBJ || c >= CODE_SMALL_OBJ;
    *ret_n = c >= CODE_SMALL_ARR ? c % SMALL : (size_t)number(&o->at);
    return true;
}

static void open_value(struct opener *o)
{
    yyjson_val *to = o->val++;
    size_t n;
    bool obj;

    if (open_text(o, to))
        return;
    if (!count_at(o, &obj, &n)) {
        open_scalar(o, to);
        return;
    }
    set(to, obj ? YYJSON_TYPE_OBJ : YYJSON_TYPE_ARR, YYJSON_SUBTYPE_NONE, n);
    for (size_t i = 0; i < n; i++) {
        if (obj)
            open_text(o, o->val++);
        open_value(o);
    }
    to->uni.ofs = (size_t)((char *)o->val - (char *)to);
}

static void *no_malloc(void *ctx, size_t n)
{
    (void)ctx, (void)n;
    return NULL;
}
static void *no_realloc(void *ctx, void *p, size_t was, size_t n)
{
    (void)ctx, (void)p, (void)was, (void)n;
    return NULL;
}
static void just_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

struct json *packed_open(const struct packed *p)
{
    yyjson_doc *doc = xmalloc(sizeof *doc + p->vals * sizeof(yyjson_val) + p->bytes);
    struct json *j = xnew(struct json);

    *doc = (yyjson_doc){.root = (yyjson_val *)(void *)(doc + 1),
                        .alc = {no_malloc, no_realloc, just_free, NULL},
                        .dat_read = 1,
                        .val_read = p->vals};
    struct opener o = {.at = p->code, .val = doc->root, .pool = (char *)(doc->root + p->vals)};
    open_value(&o);
    *j = (struct json){doc, 1};
    return j;
}

void packed_free(struct packed *p)
{
    if (!p)
        return;
    const uint8_t *at = p->code;
    for (uint32_t i = 0; i < p->vals; i++) {
        struct slice s;
        uint8_t c = *at;
        if (c >= CODE_WORD) {
            at++;
            words_drop(word_id(c, &at));
        } else if (!text_at(&at, &s)) {
            at++;
            if (c == CODE_UINT || c == CODE_SINT || c == CODE_ARR || c == CODE_OBJ)
                number(&at);
            else if (c == CODE_REAL)
                at += sizeof(double);
        }
    }
    free(p);
}
