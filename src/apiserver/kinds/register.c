/* From the table of built-in kinds to the registry's resources. */
#include "apiserver/kinds.h"
#include "apiserver/kinds/builtin.h"
#include "apiserver/kinds/hooks.h"
#include "apiserver/kinds/subresources.h"

#include "base/arena.h"
#include "data/types.h"

/* Rows live as long as the process: references to them are never the last. */
static struct {
    struct arena arena;
    struct resource *rows;
} made;

static const char *text(struct slice s)
{
    return arena_strndup(&made.arena, s.p ? s.p : "", s.n);
}

/* "a b" as a NULL-terminated array; NULL for NULL. */
static const char *const *words(const char *list)
{
    struct slice rest = slice_of(list), one;
    size_t n = 0;

    if (!list)
        return NULL;
    const char **v = arena_array(&made.arena, const char *, strlen(list) / 2 + 2);
    while (slice_cut(&rest, ' ', &one))
        v[n++] = text(one);
    return v;
}

static unsigned verbs_parse(struct slice list)
{
    struct slice one;
    unsigned verbs = 0;

    while (slice_cut(&list, ',', &one))
        for (unsigned v = 0; v < VERB_COUNT; v++)
            if (slice_is(one, verb_names[v]))
                verbs |= VERB_BIT(v);
    return verbs;
}

/* KIND, or GROUP/VERSION/KIND, or nothing. */
static void sub_kind(struct slice t, struct subresource *sub)
{
    struct slice part[3];
    size_t n = 0;

    while (n < ARRAY_SIZE(part) && t.n && slice_cut(&t, '/', &part[n]))
        n++;
    if (n == 3) {
        sub->group = text(part[0]);
        sub->version = text(part[1]);
    }
    if (n)
        sub->kind = text(part[n - 1]);
}

static void sub_parse(const struct builtin *b, struct slice item, struct subresource *sub)
{
    struct slice name, kind;

    slice_cut(&item, '=', &name);
    *sub = (struct subresource){
        .name = text(name),
        .group = "",
        .kind = b->kind,
        .verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_PATCH) | VERB_BIT(VERB_UPDATE),
    };
    if (item.n) {
        slice_cut(&item, ':', &kind);
        sub_kind(kind, sub);
        sub->verbs = verbs_parse(item);
    }
    sub->handle = subresource_handler_find(b->group, b->plural, sub->name);
}

static const struct subresource *subresources(const struct builtin *b)
{
    struct slice rest = slice_of(b->subresources), item;
    struct subresource *subs;
    size_t n = 0;

    if (!b->subresources)
        return NULL;
    subs = arena_array(&made.arena, struct subresource, strlen(b->subresources) / 2 + 2);
    while (slice_cut(&rest, ' ', &item))
        sub_parse(b, item, &subs[n++]);
    return subs;
}

static const char *lower(const char *s)
{
    char *l = arena_strdup(&made.arena, s);

    for (char *p = l; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p += 32;
    return l;
}

/* What the hooks' table says, and the common defaults and rules where it says nothing. */
static void add_hooks(struct resource *res, const struct kind_row *row)
{
    struct resource_hooks *hooks = arena_new(&made.arena, struct resource_hooks);

    if (row) {
        *hooks = row->hooks;
        res->fields = row->fields;
        res->scale = row->scale;
        res->data = (void *)row;
    }
    if (!hooks->defaults)
        hooks->defaults = kind_apply_defaults;
    if (!hooks->validate)
        hooks->validate = kind_validate;
    hooks->prepare = kind_prepare; /* it calls the row's own */
    res->hooks = hooks;
}

static void fill(struct resource *res, const struct builtin *b)
{
    struct arena *a = &made.arena;

    *res = (struct resource){
        .refs = 1,
        .group = b->group,
        .version = b->version,
        .plural = b->plural,
        .singular = lower(b->kind),
        .kind = b->kind,
        .list_kind = arena_printf(a, "%sList", b->kind),
        .api_version = *b->group ? arena_printf(a, "%s/%s", b->group, b->version) : b->version,
        .short_names = words(b->short_names),
        .categories = words(b->categories),
        .namespaced = b->flags & BUILTIN_NAMESPACED,
        .built_in = true,
        .verbs = b->verbs,
        .subresources = subresources(b),
        .has_generation = b->flags & BUILTIN_GENERATION,
        .create_on_update = b->flags & BUILTIN_UPSERT,
        .returns_deleted = b->flags & BUILTIN_RETURNS,
        .counts_annotations = !strcmp(b->plural, "deployments"),
        .orphan_by_default = !strcmp(b->plural, "jobs") && !strcmp(b->group, "batch"),
        .cold = !strcmp(b->plural, "customresourcedefinitions"),
    };
    res->has_status = resource_sub(res, "status") != NULL;
    res->type = type_find(res->api_version, res->kind);
    res->review = review_handler_find(b->group, b->plural);
    res->stored = res;
    add_hooks(res, kind_row_find(b->group, b->plural));
}

static struct resource *find(const char *group, const char *version, const char *plural)
{
    for (size_t i = 0; i < builtins_n; i++)
        if (!strcmp(made.rows[i].plural, plural) && !strcmp(made.rows[i].group, group) &&
            !strcmp(made.rows[i].version, version))
            return &made.rows[i];
    return NULL;
}

/* Two groups, or two versions, over the same objects. */
static const struct {
    const char *group, *version, *plural, *stored_group, *stored_version;
} shared[] = {
    {"events.k8s.io", "v1", "events", "", "v1"},
    {"autoscaling", "v1", "horizontalpodautoscalers", "autoscaling", "v2"},
};

static void make(void)
{
    made.rows = arena_array(&made.arena, struct resource, builtins_n);
    for (size_t i = 0; i < builtins_n; i++)
        fill(&made.rows[i], &builtins[i]);
    for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
        struct resource *res = find(shared[i].group, shared[i].version, shared[i].plural);
        res->stored = find(shared[i].stored_group, shared[i].stored_version, shared[i].plural);
    }
}

void kinds_register(struct registry *reg)
{
    if (!made.rows)
        make();
    for (size_t i = 0; i < builtins_n; i++)
        registry_add(reg, resource_ref(&made.rows[i]));
}
