/* manta up: the embedded default. Starts (or joins) an instance, applies files, shows what becomes
 * of them. */
#include "cli/cluster.h"
#include "cli/flags.h"
#include "cli/nodenotes.h"
#include "cli/session.h"
#include "cli/timeline.h"
#include "cli/verb.h"

#include "base/map.h"
#include "base/mem.h"
#include "kube/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char about[] =
    "Starts an API server, the operator and a kubelet on this machine, puts the context manta-NAME "
    "into\n"
    "your kubeconfig, and applies FILE (files, folders, or - for standard input). Pods run real "
    "Ray as\n"
    "processes. Stays in the foreground until Ctrl-C, which takes everything down; with --detach "
    "it\n"
    "returns, and `manta down` takes it down. Objects are kept for the next start.";

#define NODE_WAIT_MS 5000 /* for what a node has to say, which comes within tenths of a second */

struct up {
    struct session session;
    struct timeline timeline;
    struct map said; /* "kind/ns/name" → the last state told (char *) */
    uv_signal_t interrupt, term;
};

/* "raycluster/demo" */
static char *label_of(const struct up *u, yyjson_val *object)
{
    const char *kind = json_get_str(object, "kind", "object"), *ns = meta_namespace(object);
    bool other = *ns && strcmp(ns, "default") != 0;
    char *text = xasprintf("%s/%s%s%s", kind, other ? ns : "", other ? "/" : "", meta_name(object));

    (void)u;
    for (char *c = text; *c && *c != '/'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 32);
    return text;
}

static int apply_all(struct up *u, const struct manifests *m, struct err *err)
{
    static const char *const words[] = {"created", "configured", "unchanged"};
    enum applied applied;

    for (size_t i = 0; i < m->n; i++) {
        autofree char *label = label_of(u, m->v[i].object);
        int code = cluster_apply(u->session.kube, m->v[i].object, "default", &applied, NULL, err);
        if (code < 0)
            return err_wrap(err, "%s:%u: %s", m->v[i].file, m->v[i].line, label);
        timeline_note(&u->timeline, "%s %s", label, words[applied]);
    }
    return 0;
}

/* What a person wants to know of a Ray object, in a few words; the caller's, or NULL. */
static char *state_of(yyjson_val *object)
{
    yyjson_val *status = json_get(object, "status");
    const char *state =
        json_get_str(status, "state", json_get_str(status, "jobDeploymentStatus", ""));
    const char *job = json_get_str(status, "jobStatus", "");
    const char *reason = json_get_str(status, "reason", "");

    if (json_get(status, "desiredWorkerReplicas"))
        return xasprintf("%s, %d of %d workers ready", *state ? state : "starting",
                         (int)json_int_at(status, "readyWorkerReplicas", 0),
                         (int)json_int_at(status, "desiredWorkerReplicas", 0));
    if (!*state)
        return NULL;
    return xasprintf("%s%s%s%s%s", state, *job ? ", job " : "", job, *reason ? ": " : "", reason);
}

static void on_ray_event(void *ctx, enum watch_event event, yyjson_val *obj)
{
    struct up *u = ctx;
    autofree char *label = NULL, *state = NULL;

    if (!obj)
        return;
    label = label_of(u, obj);
    state = event == WATCH_DELETED ? xstrdup("deleted") : state_of(obj);
    const char *before = map_get(&u->said, label);
    if (!state || (before && !strcmp(before, state)))
        return;
    timeline_note(&u->timeline, "%s: %s", label, state);
    free(map_put(&u->said, label, take(state)));
}

static void on_signal(uv_signal_t *s, unused int number)
{
    uv_stop(s->loop);
}

static void on_down(void *ctx, const char *why)
{
    struct up *u = ctx;

    timeline_note(&u->timeline, "%s", why);
    uv_stop(&u->session.loop);
}

static void catch_signals(struct up *u)
{
    uv_signal_init(&u->session.loop, &u->interrupt);
    uv_signal_init(&u->session.loop, &u->term);
    uv_signal_start(&u->interrupt, on_signal, SIGINT);
    uv_signal_start(&u->term, on_signal, SIGTERM);
}

/* In the foreground until a signal. */
static void stay(struct up *u)
{
    const struct gvr *kinds[] = {&gvr_rayclusters, &gvr_rayjobs};
    struct kube_watch *watches[ARRAY_SIZE(kinds)];

    catch_signals(u);
    session_guard(&u->session, on_down, u);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        watches[i] = kube_watch_new(
            u->session.kube,
            &(struct watch_opts){.gvr = kinds[i], .on_event = on_ray_event, .ctx = u});
    uv_run(&u->session.loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        kube_watch_free(watches[i]);
    uv_close((uv_handle_t *)&u->interrupt, NULL);
    uv_close((uv_handle_t *)&u->term, NULL);
    timeline_note(&u->timeline, "taking everything down");
}

static int bring_up(struct up *u, const char *name, const struct manifests *m, bool detach,
                    struct err *err)
{
    int code;

    timeline_begin(&u->timeline, "API server, operator, kubelet");
    code = session_open(&u->session, name, SESSION_START, err);
    if (code < 0)
        return code;
    timeline_done(&u->timeline, "%s", u->session.config->server);
    timeline_note(&u->timeline, "context \"%s\" is current in your kubeconfig: kubectl get pods -A",
                  u->session.i.context);
    struct node_notes *notes = node_notes_new(u->session.kube, &u->timeline);
    code = apply_all(u, m, err);
    if (code == 0 && !detach)
        stay(u);
    else if (code == 0)
        node_notes_wait(notes, NODE_WAIT_MS);
    node_notes_free(notes);
    return code;
}

int verb_up(int argc, char **argv)
{
    const char *name = "default";
    bool detach = false;
    const struct flag list[] = {
        {"name", 0, FLAG_STRING, &name, "NAME", "which instance (default \"default\")"},
        {"detach", 'd', FLAG_BOOL, &detach, NULL, "return once it is up and FILE is applied"},
    };
    const struct flags flags = {"up [FILE…]", about, list, ARRAY_SIZE(list)};
    struct up u = {0};
    struct manifests m = {0};
    struct err err = {0};
    int n = flags_parse(&flags, argc, argv), code;

    if (n < 0)
        return flags_exit(n);
    if (manifests_read(argv + 1, (size_t)n, &m, &err) < 0) {
        fprintf(stderr, "manta up: %s\n", err.msg);
        return 2;
    }
    timeline_init(&u.timeline);
    code = bring_up(&u, name, &m, detach, &err);
    timeline_end(&u.timeline);
    if (code < 0)
        fprintf(stderr, "manta up: %s\n", err.msg);
    session_leave(&u.session, code < 0 || detach ? NULL : "down", NULL);
    session_done(&u.session);
    manifests_done(&m);
    for (struct map_item *i = map_next(&u.said, NULL); i; i = map_next(&u.said, i))
        free(i->value);
    map_done(&u.said);
    return code < 0;
}
