/*
 * What a planner sees and what it answers. Planners are pure: a snapshot goes in, a plan comes
 * out; no I/O, no clock, no environment, no randomness. One snapshot always gives the same plan.
 *
 * The life of one reconcile (the executor, src/operator/act.c, drives it):
 *
 *   1. plan(snapshot) → actions, unconditional events, perhaps a wish to ask Ray's dashboard.
 *   2. The executor performs the actions in order. Each answer enters the store at once. The first
 *      failure that the action does not tolerate ends the list (its `failed` event is emitted).
 *   3. finish(snapshot taken anew, outcome of step 2) → a second plan, with the status write and
 *      what follows it. Not called when the first plan says `done`.
 *   4. `requeue_ns` or `error` of the last plan says when to look again (spec: an error backs off
 *      5 ms · 2ⁿ up to 1,000 s and beats a delay; a delay resets the back-off).
 *
 * Where upstream writes an object and goes on with the answer (new resourceVersion) in the same
 * pass, the executor replaces metadata.resourceVersion of a later action on the same object by the
 * one just answered (`chain` below). Nothing else of a body is ever changed by the executor.
 *
 * Everything a plan points to lives in its arena or its doc and dies with the plan.
 */
#ifndef MANTA_RAY_PLAN_H
#define MANTA_RAY_PLAN_H

#include "base/arena.h"
#include "base/vec.h"
#include "data/json.h"
#include "ray/options.h"

/* The kinds that planners read or write: name, group/version, plural, namespaced. */
#define RAY_KINDS(X)                                                                               \
    X(RAYCLUSTER, "RayCluster", "ray.io/v1", "rayclusters")                                        \
    X(RAYJOB, "RayJob", "ray.io/v1", "rayjobs")                                                    \
    X(RAYSERVICE, "RayService", "ray.io/v1", "rayservices")                                        \
    X(RAYCRONJOB, "RayCronJob", "ray.io/v1", "raycronjobs")                                        \
    X(POD, "Pod", "v1", "pods")                                                                    \
    X(SERVICE, "Service", "v1", "services")                                                        \
    X(SECRET, "Secret", "v1", "secrets")                                                           \
    X(SERVICEACCOUNT, "ServiceAccount", "v1", "serviceaccounts")                                   \
    X(PVC, "PersistentVolumeClaim", "v1", "persistentvolumeclaims")                                \
    X(ENDPOINTSLICE, "EndpointSlice", "discovery.k8s.io/v1", "endpointslices")                     \
    X(ROLE, "Role", "rbac.authorization.k8s.io/v1", "roles")                                       \
    X(ROLEBINDING, "RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings")                  \
    X(JOB, "Job", "batch/v1", "jobs")                                                              \
    X(INGRESS, "Ingress", "networking.k8s.io/v1", "ingresses")                                     \
    X(INGRESSCLASS, "IngressClass", "networking.k8s.io/v1", "ingressclasses")                      \
    X(NETWORKPOLICY, "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")                   \
    X(ROUTE, "Route", "route.openshift.io/v1", "routes")                                           \
    X(GATEWAY, "Gateway", "gateway.networking.k8s.io/v1", "gateways")                              \
    X(HTTPROUTE, "HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes")                        \
    X(CERTIFICATE, "Certificate", "cert-manager.io/v1", "certificates")                            \
    X(ISSUER, "Issuer", "cert-manager.io/v1", "issuers")                                           \
    X(VOLCANO_PODGROUP, "PodGroup", "scheduling.volcano.sh/v1beta1", "podgroups")                  \
    X(SIG_PODGROUP, "PodGroup", "scheduling.x-k8s.io/v1alpha1", "podgroups")                       \
    X(WAS_WORKLOAD, "Workload", "scheduling.k8s.io/v1alpha2", "workloads")                         \
    X(WAS_PODGROUP, "PodGroup", "scheduling.k8s.io/v1alpha2", "podgroups")

enum ray_kind {
#define X(id, kind, api, plural) KIND_##id,
    RAY_KINDS(X)
#undef X
        KIND_COUNT
};

const char *kind_name(enum ray_kind k);        /* "Pod" */
const char *kind_api_version(enum ray_kind k); /* "batch/v1" */
const char *kind_plural(enum ray_kind k);      /* "pods" */

/*
 * The world as it was at one moment, held in memory. get and list are served from the operator's
 * store, or in tests from a JSON list; they do no I/O. What they give lives as long as the
 * snapshot. A kind that is not watched yet answers nothing and is noted in `missing`: the executor
 * then drops the plan, starts that watch and plans again when it is filled.
 */
struct world {
    yyjson_val *(*get)(void *ctx, enum ray_kind kind, const char *ns, const char *name);
    /* All objects of the kind in ns whose label `key` is `value` (key NULL: all of ns), in order of
     * name. Puts an array of *ret_n into the arena. */
    yyjson_val **(*list)(void *ctx, struct arena *a, enum ray_kind kind, const char *ns,
                         const char *key, const char *value, size_t *ret_n);
    bool (*filled)(void *ctx, enum ray_kind kind);
    void *ctx;
};

/* The last answer of a Ray dashboard, asked for by an earlier plan's `ask`. */
enum dash_state {
    DASH_NONE,      /* not asked yet in this pass */
    DASH_OK,        /* body holds the answer */
    DASH_NOT_FOUND, /* 404 */
    DASH_FAILED,    /* refused, timed out, or an answer that upstream's client would not take */
};
struct dash_answer {
    enum dash_state state;
    yyjson_val *body;
    const char *error; /* DASH_FAILED: why */
};

struct snapshot {
    enum ray_kind kind;
    yyjson_val *object; /* the custom resource, whole, as the store has it */
    struct world world;
    struct dash_answer job;       /* GET /api/jobs/ID */
    struct dash_answer serve;     /* GET /api/serve/applications/ */
    struct dash_answer submitted; /* POST /api/jobs/, when this pass asked for it */
    int64_t now_ns;               /* wall clock */
    const struct ray_options *options;
    uint32_t attempt;       /* differs each time this key is planned; salt for generated names */
    const uint8_t *entropy; /* 32 fresh random bytes, for the auth Secret. Never printed. */
    uint32_t missing;       /* out: bit 1 << kind for each kind asked for while not filled */
};

yyjson_val *snap_get(struct snapshot *s, enum ray_kind kind, const char *ns, const char *name);
yyjson_val **snap_list(struct snapshot *s, struct arena *a, enum ray_kind kind, const char *ns,
                       const char *key, const char *value, size_t *ret_n);

enum act {
    ACT_CREATE,        /* POST body */
    ACT_UPDATE,        /* PUT body: the whole typed object with its resourceVersion */
    ACT_UPDATE_STATUS, /* PUT body to /status */
    ACT_MERGE,         /* GET name, apply body as a JSON merge patch (RFC 7386), PUT the whole */
    ACT_DELETE,        /* DELETE name; propagation as given */
    ACT_DELETE_COLLECTION, /* DELETE ?labelSelector=selector */
    ACT_DASH_SUBMIT,       /* POST /api/jobs/ body to the dashboard `dash` */
    ACT_DASH_STOP,         /* POST /api/jobs/NAME/stop */
    ACT_DASH_SERVE,        /* PUT /api/serve/applications/ body */
};

/* An Event about the custom resource; reason NULL: none. */
struct note {
    bool warning; /* type Warning instead of Normal */
    const char *reason, *action, *text;
    /* How the text goes on when the outcome decides it (a server-chosen name, an error). */
    bool append_error; /* for `failed`: ": " and the error's message is appended */
};

/* Which dashboard, and with what. */
struct dash_target {
    const char *url;                  /* "svc.ns.svc.cluster.local:8265", no scheme */
    const char *cluster_ns, *service; /* for --use-kubernetes-proxy */
    const char *token;                /* NULL: none. Never printed. */
};

struct action {
    enum act act;
    enum ray_kind kind;
    const char *ns, *name;   /* name: of the object, or the job id of a dashboard action */
    const char *selector;    /* ACT_DELETE_COLLECTION */
    const char *propagation; /* ACT_DELETE: NULL or "Background", "Foreground" */
    const char *uid;         /* ACT_DELETE: only the object of this UID; NULL: any */
    bool look_first;         /* ACT_DELETE: GET it first, and write nothing if it is not there */
    yyjson_mut_val *body;    /* typed already: what is sent is exactly this */
    struct dash_target dash;
    bool ignore_not_found; /* NotFound counts as done; the ok note is not emitted then */
    bool ignore_exists;    /* AlreadyExists counts as done; the ok note is not emitted then */
    bool best_effort;      /* any failure is logged, its note emitted, and the list goes on */
    bool chain;            /* see above: take over the resourceVersion of an earlier answer */
    struct note ok, failed;
    const char *marker; /* on failure handed to finish(): "FailedCreateHeadPod" … */
    const char *why;    /* one line for the log and the golden file; never a secret */
};

enum dash_ask { ASK_NOTHING, ASK_JOB, ASK_SERVE };

struct plan {
    struct arena arena;
    yyjson_mut_doc *doc;
    VEC(struct action) actions;
    VEC(struct note) events; /* emitted before the actions, in order */
    bool done;               /* no finish(): the pass ends after the actions */
    const char *error;       /* the pass fails with this text after the actions: back-off. When not
                                done, finish() still runs and sees it in the outcome's plan. */
    const char *marker;      /* with error: as in struct action */
    int64_t requeue_ns;      /* look again after this time; 0: only when something changes */
    enum dash_ask ask;       /* ask this first (outside), then plan again with the answer */
    struct dash_target dash;
    const char *dash_job; /* ASK_JOB: the submission id */
};

void plan_init(struct plan *p);
void plan_done(struct plan *p);
struct action *plan_action(struct plan *p, enum act act, enum ray_kind kind); /* zeroed, last */
void plan_event(struct plan *p, bool warning, const char *reason, const char *action,
                const char *fmt, ...) printf_like(5, 6);
int plan_error(struct plan *p, const char *fmt, ...)
    printf_like(2, 3); /* sets error and done; -1 */

/* The plan as text: the same words go to the log and into golden files. Bodies as compact JSON. */
void plan_print(const struct plan *p, struct buf *out);

/* How the actions of a first plan went. */
struct outcome {
    const struct plan *plan;     /* the first plan, its error and marker included */
    const struct action *failed; /* NULL: all done */
    int code;                    /* ERR_… */
    const char *error;           /* the server's message */
    yyjson_val **answers;        /* by index of action: the object answered, or NULL */
};

/* One custom resource's planner. finish may be NULL. */
struct planner {
    enum ray_kind kind;
    const char *controller; /* reportingController of its events: "raycluster-controller" */
    void (*plan)(struct snapshot *s, struct plan *p);
    void (*finish)(struct snapshot *s, const struct outcome *o, struct plan *p);
};

/* networkpolicy and mtls are planners of RayClusters with watches and back-offs of their own (spec
 * §11, §12.5): run beside raycluster_planner when their feature gate is on. */
extern const struct planner raycluster_planner;
extern const struct planner networkpolicy_planner;
extern const struct planner mtls_planner;
extern const struct planner rayjob_planner;

#endif
