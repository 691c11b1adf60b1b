/* Compiling schemas into the pool's nodes. */
#include "data/hash.h"
#include "data/schema_node.h"
#include "base/mem.h"

#include <assert.h>

struct schema_pool {
    struct schema **buckets;
    size_t n_buckets, n;
    size_t bytes;
};

/* ---- the pool ---- */

struct schema_pool *schema_pool_new(void)
{
    struct schema_pool *pool = xnew(struct schema_pool);

    pool->n_buckets = 256;
    pool->buckets = xcalloc(pool->n_buckets, sizeof(*pool->buckets));
    return pool;
}

void schema_pool_free(struct schema_pool *pool)
{
    if (!pool)
        return;
    assert(pool->n == 0);
    free(pool->buckets);
    free(pool);
}

static size_t bucket_of(const struct schema_pool *pool, const unsigned char id[32])
{
    uint32_t h;

    memcpy(&h, id, sizeof(h));
    return h & (pool->n_buckets - 1);
}

static void grow(struct schema_pool *pool)
{
    size_t old_n = pool->n_buckets;
    struct schema **old = pool->buckets;

    pool->n_buckets *= 2;
    pool->buckets = xcalloc(pool->n_buckets, sizeof(*pool->buckets));
    for (size_t i = 0; i < old_n; i++) {
        for (struct schema *s = old[i], *next; s; s = next) {
            next = s->next;
            size_t b = bucket_of(pool, s->id);
            s->next = pool->buckets[b];
            pool->buckets[b] = s;
        }
    }
    free(old);
}

static struct schema *find(const struct schema_pool *pool, const unsigned char id[32])
{
    for (struct schema *s = pool->buckets[bucket_of(pool, id)]; s; s = s->next)
        if (!memcmp(s->id, id, 32))
            return s;
    return NULL;
}

static void insert(struct schema_pool *pool, struct schema *s)
{
    if (pool->n >= pool->n_buckets)
        grow(pool);
    size_t b = bucket_of(pool, s->id);
    s->next = pool->buckets[b];
    pool->buckets[b] = s;
    pool->n++;
}

static void withdraw(struct schema *s)
{
    struct schema **at = &s->pool->buckets[bucket_of(s->pool, s->id)];

    while (*at && *at != s)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = s->next;
    s->pool->n--;
}

/* ---- life of a node ---- */

struct schema *schema_ref(struct schema *s)
{
    if (s)
        s->refs++;
    return s;
}

static void list_free(struct schema_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        schema_unref(list->v[i]);
    free(list->v);
}

static void names_free(struct schema_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i]);
    free(names->v);
}

static void extra_free(struct schema_extra *x)
{
    if (!x)
        return;
    free(x->pattern);
    regex_free(x->regex);
    free(x->format_name);
    json_unref(x->enum_);
    json_unref(x->def);
    names_free(&x->required);
    names_free(&x->list_keys);
    list_free(&x->all_of);
    list_free(&x->any_of);
    list_free(&x->one_of);
    schema_unref(x->not_);
    for (size_t i = 0; i < x->n_rules; i++) {
        cel_free(x->rules[i].rule);
        cel_free(x->rules[i].message_expr);
        free(x->rules[i].text);
        free(x->rules[i].message);
        free(x->rules[i].field_path);
    }
    free(x->rules);
    free(x);
}

void schema_unref(struct schema *s)
{
    if (!s || --s->refs)
        return;
    withdraw(s);
    for (size_t i = 0; i < s->n_props; i++)
        schema_unref(s->props[i].schema);
    free(s->props);
    schema_unref(s->items);
    schema_unref(s->additional);
    extra_free(s->extra);
    free(s);
}

const struct schema *schema_property(const struct schema *s, struct slice name)
{
    size_t from = 0, to = s->n_props;

    while (from < to) {
        size_t mid = (from + to) / 2;
        struct slice have = slice_of(s->props[mid].name);
        int c = memcmp(have.p, name.p, MIN(have.n, name.n));
        c = c ? c : have.n < name.n ? -1 : have.n > name.n;
        if (c == 0)
            return s->props[mid].schema;
        if (c < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return NULL;
}

/* ---- compiling ---- */

struct compiler {
    struct schema_pool *pool;
    int depth;
    struct err *err;
};

static int compile(struct compiler *c, yyjson_val *v, struct schema **ret);

static int problem(struct compiler *c, const char *what)
{
    return err_set(c->err, ERR_INVALID, "%s", what);
}

static struct schema_extra *extra_of(struct schema *s)
{
    if (!s->extra)
        s->extra = xnew(struct schema_extra);
    return s->extra;
}

static int read_type(struct compiler *c, yyjson_val *v, struct schema *s)
{
    static const char *const names[] = {
        [TYPE_ANY] = "",
        [TYPE_OBJECT] = "object",
        [TYPE_ARRAY] = "array",
        [TYPE_STRING] = "string",
        [TYPE_INTEGER] = "integer",
        [TYPE_NUMBER] = "number",
        [TYPE_BOOLEAN] = "boolean",
    };
    const char *name = json_get_str(v, "type", "");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        s->type = (uint8_t)i;
        if (json_bool_at(v, "x-kubernetes-int-or-string", false))
            s->type = TYPE_INT_OR_STRING;
        return 0;
    }
    return problem(c, "type must be one of object, array, string, integer, number and boolean");
}

static void read_flags(yyjson_val *v, struct schema *s)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } flags[] = {
        {"nullable", SCHEMA_NULLABLE},
        {"x-kubernetes-preserve-unknown-fields", SCHEMA_PRESERVE},
        {"x-kubernetes-embedded-resource", SCHEMA_EMBEDDED},
        {"uniqueItems", SCHEMA_UNIQUE_ITEMS},
        {"exclusiveMinimum", SCHEMA_EXCLUSIVE_MIN},
        {"exclusiveMaximum", SCHEMA_EXCLUSIVE_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (yyjson_is_true(json_get(v, flags[i].name)))
            s->flags |= flags[i].flag;
    const char *list = json_get_str(v, "x-kubernetes-list-type", "");
    s->list_type = !strcmp(list, "map") ? LIST_MAP : !strcmp(list, "set") ? LIST_SET : LIST_ATOMIC;
}

static void read_bounds(yyjson_val *v, struct schema *s)
{
    static const char *const names[N_BOUNDS] = {
        [BOUND_MIN] = "minimum",
        [BOUND_MAX] = "maximum",
        [BOUND_MULTIPLE] = "multipleOf",
        [BOUND_MIN_LENGTH] = "minLength",
        [BOUND_MAX_LENGTH] = "maxLength",
        [BOUND_MIN_ITEMS] = "minItems",
        [BOUND_MAX_ITEMS] = "maxItems",
        [BOUND_MIN_PROPS] = "minProperties",
        [BOUND_MAX_PROPS] = "maxProperties",
    };
    for (size_t i = 0; i < N_BOUNDS; i++) {
        yyjson_val *bound = json_get(v, names[i]);
        if (!yyjson_is_num(bound))
            continue;
        extra_of(s)->given |= 1u << i;
        s->extra->bounds[i] = yyjson_get_num(bound);
    }
}

static void read_names(yyjson_val *arr, struct schema *s, size_t offset)
{
    if (!yyjson_arr_size(arr))
        return;
    struct schema_names *names = (struct schema_names *)(void *)((char *)extra_of(s) + offset);
    names->v = xcalloc(yyjson_arr_size(arr), sizeof(*names->v));
    json_each(arr, item, i, n)
        if (yyjson_is_str(item))
            names->v[names->n++] = xstrdup(yyjson_get_str(item));
}

static int read_values(struct compiler *c, yyjson_val *v, struct schema *s)
{
    const char *pattern = json_get_str(v, "pattern", "");
    const char *format = schema_format((enum json_type)s->type, json_get_str(v, "format", ""));
    yyjson_val *def = json_get(v, "default");

    if (*pattern) {
        extra_of(s)->pattern = xstrdup(pattern);
        if (regex_compile(slice_of(pattern), &s->extra->regex, c->err) < 0)
            return err_wrap(c->err, "pattern");
    }
    if (format) {
        extra_of(s)->format = format;
        s->extra->format_name = xstrdup(json_get_str(v, "format", ""));
    }
    if (yyjson_arr_size(json_get(v, "enum")))
        extra_of(s)->enum_ = json_copy(json_get(v, "enum"));
    if (def && !yyjson_is_null(def)) {
        extra_of(s)->def = json_copy(def);
        s->flags |= SCHEMA_HAS_DEFAULTS;
    }
    read_names(json_get(v, "required"), s, offsetof(struct schema_extra, required));
    read_names(json_get(v, "x-kubernetes-list-map-keys"), s,
               offsetof(struct schema_extra, list_keys));
    return 0;
}

static enum field_error_type read_reason(const char *name)
{
    static const enum field_error_type reasons[] = {FIELD_FORBIDDEN, FIELD_MISSING,
                                                    FIELD_DUPLICATE};

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (!strcmp(field_error_reason(reasons[i]), name))
            return reasons[i];
    return FIELD_INVALID;
}

static int read_rule(struct compiler *c, yyjson_val *v, struct schema_rule *rule)
{
    const char *text = json_get_str(v, "rule", ""),
               *message_expr = json_get_str(v, "messageExpression", "");

    rule->text = xstrdup(text);
    rule->message = xstrdup(json_get_str(v, "message", ""));
    rule->field_path = xstrdup(json_get_str(v, "fieldPath", ""));
    rule->reason = read_reason(json_get_str(v, "reason", ""));
    rule->optional_old = json_bool_at(v, "optionalOldSelf", false);
    if (cel_parse(slice_of(text), &rule->rule, c->err) < 0)
        return err_wrap(c->err, "rule \"%s\"", text);
    rule->uses_old = cel_uses(rule->rule, "oldSelf");
    if (*message_expr && cel_parse(slice_of(message_expr), &rule->message_expr, c->err) < 0)
        return err_wrap(c->err, "messageExpression \"%s\"", message_expr);
    return 0;
}

static int read_rules(struct compiler *c, yyjson_val *v, struct schema *s)
{
    yyjson_val *rules = json_get(v, "x-kubernetes-validations");

    if (!yyjson_arr_size(rules))
        return 0;
    struct schema_extra *x = extra_of(s);
    x->rules = xcalloc(yyjson_arr_size(rules), sizeof(*x->rules));
    s->flags |= SCHEMA_HAS_RULES;
    json_each(rules, rule, i, n) {
        x->n_rules++;
        int r = read_rule(c, rule, &x->rules[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compile_list(struct compiler *c, yyjson_val *arr, struct schema *s, size_t offset)
{
    if (!yyjson_arr_size(arr))
        return 0;
    struct schema_list *list = (struct schema_list *)(void *)((char *)extra_of(s) + offset);
    list->v = xcalloc(yyjson_arr_size(arr), sizeof(*list->v));
    json_each(arr, item, i, n) {
        int r = compile(c, item, &list->v[i]);
        if (r < 0)
            return r;
        list->n++;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct schema_prop *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Names are put behind the array, in one allocation with it. */
static int compile_props(struct compiler *c, yyjson_val *props, struct schema *s)
{
    size_t n = yyjson_obj_size(props), bytes = n * sizeof(*s->props);

    if (!n)
        return 0;
    json_each_member(props, key, ignored) {
        (void)ignored;
        bytes += yyjson_get_len(key) + 1;
    }
    s->props = xcalloc(1, bytes);
    char *names = (char *)(s->props + n);
    json_each_member(props, name, val) {
        size_t len = strlen(yyjson_get_str(name)) + 1;
        s->props[s->n_props].name = memcpy(names, yyjson_get_str(name), len);
        names += len;
        int r = compile(c, val, &s->props[s->n_props].schema);
        if (r < 0)
            return err_wrap(c->err, "%s", yyjson_get_str(name));
        s->n_props++;
    }
    qsort(s->props, s->n_props, sizeof(*s->props), by_name);
    return 0;
}

static int compile_additional(struct compiler *c, yyjson_val *v, struct schema *s)
{
    yyjson_val *additional = json_get(v, "additionalProperties");

    if (yyjson_is_obj(additional))
        return compile(c, additional, &s->additional);
    if (yyjson_is_bool(additional))
        s->flags |= yyjson_get_bool(additional) ? SCHEMA_ADDITIONAL_ANY : SCHEMA_ADDITIONAL_NONE;
    return 0;
}

static int compile_children(struct compiler *c, yyjson_val *v, struct schema *s)
{
    static const struct {
        const char *name;
        size_t offset;
    } lists[] = {
        {"allOf", offsetof(struct schema_extra, all_of)},
        {"anyOf", offsetof(struct schema_extra, any_of)},
        {"oneOf", offsetof(struct schema_extra, one_of)},
    };
    int r = compile_props(c, json_get(v, "properties"), s);

    if (r == 0)
        r = compile_additional(c, v, s);
    if (r == 0 && yyjson_is_obj(json_get(v, "items")))
        r = compile(c, json_get(v, "items"), &s->items);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++)
        r = compile_list(c, json_get(v, lists[i].name), s, lists[i].offset);
    if (r == 0 && yyjson_is_obj(json_get(v, "not")))
        r = compile(c, json_get(v, "not"), &extra_of(s)->not_);
    return r;
}

#define INHERITED (SCHEMA_HAS_RULES | SCHEMA_HAS_DEFAULTS | SCHEMA_HAS_LISTS | SCHEMA_HAS_EMBEDDED)

static void inherit_flags(struct schema *s)
{
    if (s->list_type != LIST_ATOMIC)
        s->flags |= SCHEMA_HAS_LISTS;
    if (s->flags & SCHEMA_EMBEDDED)
        s->flags |= SCHEMA_HAS_EMBEDDED;
    for (size_t i = 0; i < s->n_props; i++)
        s->flags |= s->props[i].schema->flags & INHERITED;
    if (s->items)
        s->flags |= s->items->flags & INHERITED;
    if (s->additional)
        s->flags |= s->additional->flags & INHERITED;
}

/* ---- identity ---- */

static void add_id(struct buf *b, const char *role, const struct schema *s)
{
    if (!s)
        return;
    buf_addc(b, *role);
    buf_add(b, s->id, sizeof(s->id));
}

static void add_list(struct buf *b, const char *role, const struct schema_list *list)
{
    buf_printf(b, "%s%zu", role, list->n);
    for (size_t i = 0; i < list->n; i++)
        add_id(b, role, list->v[i]);
}

/* Strings with their length in front, so that no two sequences of them read the same. */
static void add_text(struct buf *b, const char *role, const char *s)
{
    if (s)
        buf_printf(b, "%s%zu:%s", role, strlen(s), s);
}

static void add_json(struct buf *b, const char *role, const struct json *j)
{
    autofree char *text = j ? json_text(json_root(j)) : NULL;

    add_text(b, role, text);
}

static void add_extra(struct buf *b, const struct schema_extra *x)
{
    buf_printf(b, "x%u;", x->given);
    for (size_t i = 0; i < N_BOUNDS; i++)
        if (x->given & 1u << i)
            buf_add(b, &x->bounds[i], sizeof(x->bounds[i]));
    add_text(b, "p", x->pattern);
    add_text(b, "f", x->format_name);
    add_json(b, "e", x->enum_);
    add_json(b, "d", x->def);
    for (size_t i = 0; i < x->required.n; i++)
        add_text(b, "r", x->required.v[i]);
    for (size_t i = 0; i < x->list_keys.n; i++)
        add_text(b, "k", x->list_keys.v[i]);
    add_list(b, "A", &x->all_of);
    add_list(b, "Y", &x->any_of);
    add_list(b, "O", &x->one_of);
    add_id(b, "N", x->not_);
}

static void identify(struct schema *s, yyjson_val *v)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *rules = json_get(v, "x-kubernetes-validations");
    autofree char *rules_text = rules ? json_text(rules) : NULL;

    buf_printf(&b, "%u,%u,%u,%u;", s->type, s->list_type, s->flags, s->n_props);
    for (size_t i = 0; i < s->n_props; i++) {
        add_text(&b, "n", s->props[i].name);
        add_id(&b, "s", s->props[i].schema);
    }
    add_id(&b, "I", s->items);
    add_id(&b, "M", s->additional);
    if (s->extra)
        add_extra(&b, s->extra);
    add_text(&b, "R", rules_text);
    hash_sha256(buf_slice(&b), s->id);
}

/* Gives the pool's node that is equal to s, which is used up. */
static struct schema *share(struct schema_pool *pool, struct schema *s)
{
    struct schema *known = find(pool, s->id);

    if (known) {
        schema_ref(known);
        schema_unref(s);
        return known;
    }
    insert(pool, s);
    return s;
}

static int compile(struct compiler *c, yyjson_val *v, struct schema **ret)
{
    if (!yyjson_is_obj(v))
        return problem(c, "a schema must be an object");
    if (c->depth >= 100)
        return problem(c, "a schema must not be nested deeper than 100 levels");
    struct schema *s cleanup(schema_unref_p) = xnew(struct schema);
    s->pool = c->pool;
    s->refs = 1;
    c->depth++;
    int r = read_type(c, v, s);
    if (r == 0) {
        read_flags(v, s);
        read_bounds(v, s);
        r = read_values(c, v, s);
    }
    if (r == 0)
        r = read_rules(c, v, s);
    if (r == 0)
        r = compile_children(c, v, s);
    c->depth--;
    if (r < 0)
        return r;
    inherit_flags(s);
    identify(s, v);
    *ret = share(c->pool, take(s));
    return 0;
}

int schema_compile(struct schema_pool *pool, yyjson_val *openapi, struct schema **ret,
                   struct err *err)
{
    struct err own = {0};
    struct compiler c = {.pool = pool, .err = err ? err : &own};
    struct schema *s = NULL;
    int r = compile(&c, openapi, &s);

    if (r == 0)
        *ret = s;
    return r;
}

/* ---- measuring ---- */

static size_t extra_bytes(const struct schema_extra *x)
{
    size_t n = sizeof(*x);

    if (x->pattern)
        n += strlen(x->pattern) + 1;
    if (x->regex)
        n += regex_bytes(x->regex);
    n += (x->required.n + x->list_keys.n) * (sizeof(char *) + 24);
    n += (x->all_of.n + x->any_of.n + x->one_of.n) * sizeof(struct schema *);
    n += x->n_rules * (sizeof(*x->rules) + 1024);
    n += x->enum_ ? 64 + json_root(x->enum_)->tag / 8 : 0;
    return n;
}

void schema_pool_stats(const struct schema_pool *pool, struct schema_stats *ret)
{
    struct schema_stats stats = {.nodes = pool->n,
                                 .bytes = sizeof(*pool) + pool->n_buckets * sizeof(void *)};

    for (size_t i = 0; i < pool->n_buckets; i++) {
        for (const struct schema *s = pool->buckets[i]; s; s = s->next) {
            stats.bytes += sizeof(*s) + s->n_props * sizeof(*s->props);
            for (size_t k = 0; k < s->n_props; k++)
                stats.bytes += strlen(s->props[k].name) + 1;
            if (s->extra)
                stats.bytes += extra_bytes(s->extra);
        }
    }
    *ret = stats;
}
