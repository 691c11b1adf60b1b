#include "apiserver/server.h"
#include "data/selector.h"

/* A kind of two forms has two names for a field (resources.h): objects know the stored one's. */
static void to_stored_names(const struct resource *res, struct field_selector *s)
{
    const char *const *mine = res->fields, *const *stored = res->stored->fields;

    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; mine[k] && stored[k]; k++) {
            if (strcmp(s->reqs[i].field, mine[k]) != 0)
                continue;
            free(s->reqs[i].field);
            s->reqs[i].field = xstrdup(stored[k]);
            break;
        }
}

struct status *selection_parse(struct request *req, struct selection *ret)
{
    const char *labels = request_param(req, "labelSelector"),
               *fields = request_param(req, "fieldSelector");
    const struct resource *res = req->res;
    struct err err = {0};
    struct field_label known[32] = {{"metadata.name", NULL, NULL},
                                    {"metadata.namespace", NULL, NULL}};
    size_t n = 2;
    int r = 0;

    for (size_t i = 0; res->fields && res->fields[i] && n < ARRAY_SIZE(known); i++)
        known[n++] = (struct field_label){res->fields[i], NULL, NULL};
    *ret = (struct selection){0};
    if (labels)
        r = selector_parse(slice_of(labels), &ret->labels, &err);
    if (r == 0 && fields && *fields)
        r = field_selector_parse(slice_of(fields), &ret->fields, &err);
    if (r == 0 && ret->fields)
        r = field_selector_check(ret->fields, known, n, n == 2, &err);
    if (r < 0)
        return status_from_err(&req->arena, &err);
    if (ret->fields && res != res->stored && res->fields && res->stored->fields)
        to_stored_names(res, ret->fields);
    if (ret->fields)
        ret->name = field_selector_exact(ret->fields, "metadata.name");
    if (*req->name) /* a watch of one object by its path */
        ret->name = req->name;
    return NULL;
}

void selection_done(struct selection *sel)
{
    selector_free(sel->labels);
    field_selector_free(sel->fields);
    *sel = (struct selection){0};
}

static bool has_value(const struct selector_req *r, const char *value)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->values[i], value) == 0)
            return true;
    return false;
}

static bool compare(const struct selector_req *r, const char *value)
{
    int64_t have, want;

    if (!value || !r->n || !slice_int64(slice_of(value), &have) ||
        !slice_int64(slice_of(r->values[0]), &want))
        return false;
    return r->op == SELECTOR_GT ? have > want : have < want;
}

/* As selector_matches(), on the labels of the header: nothing is parsed. */
static bool label_matches(const struct selector_req *r, const char *value)
{
    switch (r->op) {
    case SELECTOR_EXISTS:
        return value != NULL;
    case SELECTOR_NOT_EXISTS:
        return value == NULL;
    case SELECTOR_EQ:
    case SELECTOR_IN:
        return value && has_value(r, value);
    case SELECTOR_NE:
    case SELECTOR_NOT_IN:
        return !value || !has_value(r, value);
    case SELECTOR_GT:
    case SELECTOR_LT:
        return compare(r, value);
    }
    return false;
}

bool selection_has(const struct selection *sel, const struct object *o)
{
    if (sel->name && strcmp(sel->name, o->name) != 0)
        return false;
    for (size_t i = 0; sel->labels && i < sel->labels->n; i++) {
        const struct selector_req *r = &sel->labels->reqs[i];

        if (!label_matches(r, object_label(o, r->key)))
            return false;
    }
    for (size_t i = 0; sel->fields && i < sel->fields->n; i++) {
        const struct field_req *r = &sel->fields->reqs[i];
        const char *value = object_field(o, r->field);

        if ((strcmp(value ? value : "", r->value) == 0) == r->negated)
            return false;
    }
    return true;
}

bool selection_is_everything(const struct selection *sel)
{
    return !sel->name && (!sel->labels || !sel->labels->n) && (!sel->fields || !sel->fields->n);
}
