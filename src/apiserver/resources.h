/*
 * The table of resources: what exists under /api and /apis, and how each kind differs from the
 * common path. The verbs (verbs/) know no kind; all that is peculiar to one is a row here.
 *
 * A resource is one plural in one version of one group. Versions that share their objects name the
 * one that is stored in `stored`; the others convert on the way in and out (for CRDs with
 * conversion None that means: apiVersion is rewritten).
 *
 * Built-in rows live for the whole process. Rows of CRDs come and go: whoever keeps one beyond a
 * turn of the loop holds a reference. All of it belongs to the loop thread.
 */
#ifndef MANTA_APISERVER_RESOURCES_H
#define MANTA_APISERVER_RESOURCES_H

#include "apiserver/status.h"
#include "base/map.h"
#include "base/vec.h"
#include "data/json.h"

struct apiserver;
struct type;        /* data/types.h */
struct schema;      /* data/schema.h */
struct object;      /* apiserver/storage.h */
struct stored_kind; /* apiserver/storage.h */
struct request;     /* apiserver/request.h */

enum api_verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETECOLLECTION,
    VERB_COUNT,
};
extern const char
    *const verb_names[VERB_COUNT]; /* "get", "list", … as discovery and RBAC spell them */
#define VERB_BIT(v) (1u << (v))
#define VERBS_ALL ((1u << VERB_COUNT) - 1)

struct user {
    const char *name, *uid;
    const char *const *groups; /* NULL-terminated */
};

/*
 * One write on its way through the hooks. obj is edited in place and belongs to doc, in the
 * resource's own version (`res`), with apiVersion and kind set.
 */
struct change {
    struct apiserver *api;
    const struct resource *res;
    enum api_verb verb; /* CREATE or UPDATE (a patch arrives as UPDATE); DELETE for on_delete */
    enum api_verb request_verb; /* what the client sent: PATCH for a patch */
    const char *subresource;    /* "" or "status", "scale", "binding", … */
    const char *ns,
        *name; /* ns is "" for cluster-scoped; name may be "" before generateName is done */
    const struct user *user;
    bool dry_run;
    int64_t now; /* ns since 1970 */
    yyjson_mut_doc *doc;
    yyjson_mut_val *obj;
    yyjson_val *old; /* what is stored, in the version of res; NULL on create */
    struct arena *arena;
    struct field_errors *errs; /* what makes it a 422 */
    struct warnings *warnings;
    struct status *refuse; /* a hook sets it to refuse with something else than 422 */
};

/*
 * Peculiarities; every one may be NULL. Order on a write: decode, defaults, (metadata), admit,
 * prepare, validate. The core itself does metadata (names, uid, times, immutability), the split of
 * spec and status, the bump of generation, namespaces' life-cycle, finalizers.
 */
struct resource_hooks {
    void (*defaults)(struct change *ch); /* fill what is absent */
    void (*admit)(struct change *ch);    /* admission plugins: may edit, refuse, add to ch->errs */
    void (*prepare)(
        struct change *ch); /* create: initial status etc.; update: keep what may not change */
    void (*validate)(struct change *ch); /* adds to ch->errs; on update compares with ch->old */
    const char *(*check_name)(
        struct slice name); /* NULL: name_dns1123_subdomain; sentence as base/names.h */
    /* Between versions; doc is the request's. Absent: apiVersion is rewritten. */
    yyjson_mut_val *(*from_stored)(const struct resource *to, yyjson_mut_doc *doc,
                                   yyjson_val *stored);
    void (*to_stored)(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj);
    /* Graceful deletion in seconds when the caller names none; <= 0: at once. Pods only, so far. */
    int64_t (*grace)(yyjson_val *obj);
    /* Called once the object is about to go (after finalizers): not for side effects on others. */
    void (*on_delete)(struct change *ch);
};

/* One of the subresources; what is not here answers 404. */
struct subresource {
    const char *name; /* "status", "scale", "log", … */
    const char *group, *version,
        *kind; /* of its body, as discovery lists it; group "" and version NULL: the resource's */
    unsigned verbs;
    /*
     * Served by handle when set (it answers req, now or later: apiserver/request.h); else the core
     * serves "status" and "scale".
     */
    void (*handle)(struct request *req);
};

/* Where scale finds its three values, e.g. ".spec.replicas" (CRDs' words). */
struct scale_paths {
    const char *spec_replicas, *status_replicas, *label_selector; /* label_selector may be NULL */
};

struct resource {
    unsigned refs;
    const char *group;   /* "" for core */
    const char *version; /* "v1" */
    const char *plural, *singular, *kind, *list_kind;
    const char *api_version;                            /* "v1", "apps/v1" */
    const char *const *short_names, *const *categories; /* NULL, or NULL-terminated */
    bool namespaced;
    bool built_in;
    unsigned verbs;
    const struct subresource *subresources; /* ends with a NULL name; or NULL */
    const struct scale_paths *scale;
    const char *deprecation; /* a Warning with every answer: this version is deprecated; or NULL */
    bool has_status;     /* status is split from the rest: /status writes only it, others never */
    bool has_generation; /* metadata.generation is kept and goes up with everything but metadata and
                            status */
    bool counts_annotations;           /* generation goes up with annotations, too (Deployments) */
    bool status_keeps_meta;            /* PUT …/status changes no metadata at all (CRDs) */
    bool create_on_update;             /* PUT of an absent name creates it (Leases, Events, …) */
    bool unconditional_update_refused; /* PUT without resourceVersion is 422 (CRDs) */
    bool orphan_by_default;  /* DELETE without a policy orphans dependents (batch/v1 Jobs) */
    bool returns_deleted;    /* DELETE answers with the object instead of a Status (Pods, …) */
    bool cold;               /* big and seldom read: bytes stay in the database (CRDs) */
    const struct type *type; /* built-in kinds: field names, merge keys; NULL if none */
    const struct schema *schema; /* prune, default, validate; NULL if none */
    const char *const *fields; /* selectable fields beyond metadata.name/namespace; NULL-terminated
                                  paths; in the stored form's order */
    const struct resource *stored;      /* whose objects these are: itself, or the stored version */
    const struct resource_hooks *hooks; /* may be NULL */
    void (*handle)(
        struct request *req);  /* serves every verb instead of the core (reviews); or NULL */
    struct stored_kind *store; /* the storage's own */
    void (*review)(
        struct request *req); /* POST is answered by this, nothing is stored (TokenReview, …) */
    void *data;               /* the kinds' side: printer columns, compiled rules, … */
    void (*free)(struct resource *res); /* when the last reference goes; NULL for built-in rows */
};

static inline bool resource_has(const struct resource *res, enum api_verb verb)
{
    return res->verbs & VERB_BIT(verb);
}
struct resource *resource_ref(const struct resource *res);
void resource_unref(const struct resource *res);
const struct subresource *resource_sub(const struct resource *res, const char *name); /* or NULL */
/* "pods" or "deployments.apps", as Status messages spell it. */
const char *resource_qualified(const struct resource *res, struct arena *a);

/*
 * What is served now. The order in `list` is that of discovery: groups by first appearance, then
 * versions, then plurals, as they were added.
 */
struct registry_end {
    void (*fn)(void *arg);
    void *arg;
};

struct registry {
    VEC(struct resource *) list;
    struct map by_path; /* "group/version/plural" */
    VEC(struct registry_end) ends;
    uint64_t generation; /* goes up with each change: caches of discovery and openapi compare it */
};

void registry_init(struct registry *reg);
void registry_done(struct registry *reg);
/* fn is called by registry_done(), when every row is gone: for what rows point to. */
void registry_at_end(struct registry *reg, void (*fn)(void *arg), void *arg);
/* Takes the caller's reference. One path is added once only: remove it first. */
void registry_add(struct registry *reg, struct resource *res);
/* Gives it up; watches on it end at the next turn of the loop (apiserver.h: api_resource_gone). */
void registry_remove(struct registry *reg, const char *group, const char *version,
                     const char *plural);
const struct resource *registry_find(const struct registry *reg, const char *group,
                                     const char *version, const char *plural);
const struct resource *registry_by_kind(const struct registry *reg, const char *group,
                                        const char *version, const char *kind);
bool registry_has_group(const struct registry *reg, const char *group,
                        const char *version); /* version may be NULL */

#endif
