/* manta run: one RayJob from start to finish. */
#include "cli/cluster.h"
#include "cli/flags.h"
#include "cli/follow.h"
#include "cli/nodenotes.h"
#include "cli/session.h"
#include "cli/verb.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/reach.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char about[] =
    "Runs the RayJob in FILE on this machine, start to finish: its log goes to standard output, "
    "the\n"
    "steps of its start with their seconds to standard error. Other objects in FILE are applied\n"
    "first. Uses the instance that `manta up` started, or one that lasts as long as somebody uses "
    "it.\n"
    "\n"
    "Exit code: 0 when Ray says SUCCEEDED, 1 for any other end, 2 for bad input, 130 after Ctrl-C.";

struct run {
    struct session session;
    struct timeline timeline;
    struct follow *follow;
    uv_signal_t interrupt, term;
    char *ns, *name, *reach;
    char state[32];
    int code;
    bool done, stopping;
};

static void finish(struct run *r, int code)
{
    r->code = code;
    r->done = true;
    uv_stop(&r->session.loop);
}

static void on_end(void *ctx, const char *state, const char *message)
{
    struct run *r = ctx;

    if (r->stopping)
        return;
    snprintf(r->state, sizeof r->state, "%s", state);
    timeline_wipe(&r->timeline);
    r->timeline.step[0] = '\0';
    timeline_note(&r->timeline, "done: %s%s%s", state, *message ? ": " : "", message);
    finish(r, strcmp(state, "SUCCEEDED") != 0);
}

static void on_gone(void *ctx)
{
    struct run *r = ctx;

    if (!r->stopping)
        timeline_note(&r->timeline, "RayJob %s/%s was deleted", r->ns, r->name);
    finish(r, r->stopping ? 130 : 1);
}

static void on_down(void *ctx, const char *why)
{
    struct run *r = ctx;

    timeline_note(&r->timeline, "%s", why);
    finish(r, r->stopping ? 130 : 1);
}

static void on_deleted(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct run *r = ctx;

    if (code == 0)
        return; /* on_gone follows once the finalizer has done its work */
    if (code != ERR_NOT_FOUND)
        timeline_note(&r->timeline, "cannot stop the job: %s", err->msg);
    finish(r, 130);
}

static void on_signal(uv_signal_t *s, unused int number)
{
    struct run *r = s->data;

    if (r->stopping) {
        finish(r, 130);
        return;
    }
    r->stopping = true;
    follow_quiet(r->follow);
    timeline_begin(&r->timeline, "stopping the job (once more: at once)");
    kube_call(r->session.kube, &(struct kube_call){.verb = KUBE_DELETE,
                                                   .gvr = &gvr_rayjobs,
                                                   .ns = r->ns,
                                                   .name = r->name,
                                                   .on_done = on_deleted,
                                                   .ctx = r});
}

static void catch_signals(struct run *r)
{
    uv_signal_init(&r->session.loop, &r->interrupt);
    uv_signal_init(&r->session.loop, &r->term);
    r->interrupt.data = r->term.data = r;
    uv_signal_start(&r->interrupt, on_signal, SIGINT);
    uv_signal_start(&r->term, on_signal, SIGTERM);
    uv_unref((uv_handle_t *)&r->interrupt);
    uv_unref((uv_handle_t *)&r->term);
    signal(SIGPIPE, SIG_IGN);
}

/* The one RayJob among the objects. */
static yyjson_val *find_job(const struct manifests *m, struct err *err)
{
    yyjson_val *job = NULL;

    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(json_get_str(m->v[i].object, "kind", ""), "RayJob") != 0)
            continue;
        if (job) {
            err_set(err, ERR_BAD_REQUEST, "%s:%u: a second RayJob; manta run takes one at a time",
                    m->v[i].file, m->v[i].line);
            return NULL;
        }
        job = m->v[i].object;
    }
    if (!job)
        err_set(err, ERR_BAD_REQUEST, "%s: no RayJob in it. For a RayCluster: manta up %s",
                m->v[0].file, m->v[0].file);
    return job;
}

static int create_named(struct run *r, yyjson_val *job, const char *name, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *copy = json_thaw(doc, job);
    struct buf body cleanup(buf_done) = BUF_INIT;
    autojson struct json *answer = NULL;
    yyjson_mut_val *metadata = json_ensure(doc, copy, "metadata");

    json_remove(metadata, "generateName");
    json_put_str(doc, metadata, "name", name);
    json_put_str(doc, metadata, "namespace", r->ns);
    json_mut_write(&body, copy);
    struct kube_call call = {.verb = KUBE_CREATE,
                             .gvr = &gvr_rayjobs,
                             .ns = r->ns,
                             .query = STRICT,
                             .body = buf_slice(&body)};
    int code = kube_do(r->session.kube, &call, &answer, err);
    if (code == 0)
        r->name = xstrdup(name);
    return code;
}

/* The name may be taken by an earlier or a running job: that one stays, ours gets a suffix. */
static int create_job(struct run *r, yyjson_val *job, struct err *err)
{
    const char *wanted = meta_name(job);
    const char *prefix = *wanted ? wanted : json_str_at(job, "metadata.generateName", "rayjob-");
    int code = *wanted ? create_named(r, job, wanted, err) : ERR_ALREADY_EXISTS;

    for (int attempt = 0; code == ERR_ALREADY_EXISTS && attempt < 5; attempt++) {
        char suffix[6];
        rand_suffix(suffix, 5);
        autofree char *name = xasprintf("%.40s%s%s", prefix, *wanted ? "-" : "", suffix);
        code = create_named(r, job, name, err);
        if (code == 0 && *wanted)
            timeline_note(&r->timeline, "a RayJob %s is there already; this one is %s", wanted,
                          name);
    }
    return code;
}

static int prepare(struct run *r, const struct manifests *m, struct err *err)
{
    yyjson_val *job = find_job(m, err);
    enum applied applied;
    int code = job ? 0 : err->code;

    for (size_t i = 0; i < m->n && code == 0; i++)
        if (m->v[i].object != job)
            code = cluster_apply(r->session.kube, m->v[i].object, r->ns, &applied, NULL, err);
    if (code == 0) {
        timeline_begin(&r->timeline, "RayJob");
        code = create_job(r, job, err);
    }
    if (code == 0)
        timeline_done(&r->timeline, "%s/%s", r->ns, r->name);
    return code;
}

static void follow_to_the_end(struct run *r)
{
    r->reach = xasprintf("%s/%s", r->session.i.kubelet, REACH_SOCKET);
    catch_signals(r);
    session_guard(&r->session, on_down, r);
    struct node_notes *notes = node_notes_new(r->session.kube, &r->timeline);
    r->follow = follow_new(&(struct follow_opts){.kube = r->session.kube,
                                                 .ns = r->ns,
                                                 .name = r->name,
                                                 .reach = access(r->reach, F_OK) ? NULL : r->reach,
                                                 .timeline = &r->timeline,
                                                 .on_end = on_end,
                                                 .on_gone = on_gone,
                                                 .ctx = r});
    while (!r->done)
        uv_run(&r->session.loop, UV_RUN_DEFAULT);
    follow_free(r->follow);
    node_notes_free(notes);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
    uv_close((uv_handle_t *)&r->term, NULL);
}

static int run_file(struct run *r, const char *instance, const struct manifests *m, struct err *err)
{
    int code;

    timeline_begin(&r->timeline, "API server");
    code = session_open(&r->session, instance, SESSION_START_EPHEMERAL, err);
    if (code < 0)
        return code;
    timeline_done(&r->timeline, "%s", r->session.config->server);
    timeline_loop(&r->timeline, &r->session.loop);
    code = prepare(r, m, err);
    if (code == 0)
        follow_to_the_end(r);
    return code;
}

int verb_run(int argc, char **argv)
{
    const char *instance = "default", *ns = NULL;
    const struct flag list[] = {
        {"name", 0, FLAG_STRING, &instance, "NAME", "which instance (default \"default\")"},
        {"namespace", 'n', FLAG_STRING, &ns, "NS", "namespace for objects that name none"},
    };
    const struct flags flags = {"run FILE", about, list, ARRAY_SIZE(list)};
    struct run r = {0};
    struct manifests m = {0};
    struct err err = {0};
    int n = flags_parse(&flags, argc, argv), code;

    if (n < 0)
        return flags_exit(n);
    if (n != 1) {
        fprintf(stderr, "manta run: needs one FILE\nSee: manta run --help\n");
        return 2;
    }
    if (manifests_read(argv + 1, 1, &m, &err) < 0 || !find_job(&m, &err)) {
        fprintf(stderr, "manta run: %s\n", err.msg);
        manifests_done(&m);
        return 2;
    }
    const char *own = meta_namespace(find_job(&m, &err));
    r.ns = xstrdup(*own ? own : ns ? ns : "default");
    timeline_init(&r.timeline);
    code = run_file(&r, instance, &m, &err);
    timeline_end(&r.timeline);
    if (code < 0) {
        fprintf(stderr, "manta run: %s\n", err.msg);
        r.code = code == ERR_INVALID || code == ERR_BAD_REQUEST ? 2 : 1;
    }
    if (session_leave(&r.session, "leave", &err) < 0)
        fprintf(stderr, "manta run: %s\n", err.msg);
    if (r.state[0])
        puts(r.state);
    session_done(&r.session);
    manifests_done(&m);
    free(r.ns);
    free(r.name);
    free(r.reach);
    return r.code;
}
