/* job-controller: carries out what job_plan() says. */
#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/event.h"
#include "apiserver/controllers/jobplan.h"
#include "apiserver/controllers/work.h"
#include "base/clock.h"

#include <stdio.h>

struct jobs {
    struct apiserver *api;
    const struct resource *jobs, *pods;
    struct work *work; /* "ns/name" */
    struct subscription *on_job, *on_pod;
};

/* One run: the key is done when the last of its calls was answered. */
struct run {
    struct jobs *jobs;
    char *key;
    unsigned pending;
    bool failed;
};

static void run_release(struct run *r)
{
    if (--r->pending)
        return;
    work_done(r->jobs->work, r->key, r->failed ? WORK_RETRY : WORK_FINE);
    free(r->key);
    free(r);
}

static void answered(void *arg, const struct status *st, const struct object *obj)
{
    struct run *r = arg;

    (void)obj;
    r->failed |= st && st->http != 404; /* what is gone needs nothing more */
    run_release(r);
}

static void call(struct run *r, struct api_call c)
{
    c.manager = "kube-controller-manager";
    c.done = answered;
    c.arg = r;
    r->pending++;
    api_call(r->jobs->api, &c);
}

/* ---- actions ---- */

static void put_owner(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *job)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, meta, "ownerReferences"));

    json_put_str(doc, o, "apiVersion", "batch/v1");
    json_put_str(doc, o, "kind", "Job");
    json_put_str(doc, o, "name", json_str_at(job, "metadata.name", ""));
    json_put_str(doc, o, "uid", json_str_at(job, "metadata.uid", ""));
    json_put_bool(doc, o, "controller", true);
    json_put_bool(doc, o, "blockOwnerDeletion", true);
}

static void create_pod(struct run *r, yyjson_val *job)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *pod = json_thaw(doc, json_at(job, "spec.template"));
    yyjson_mut_val *meta = json_ensure(doc, pod, "metadata");
    const char *name = json_str_at(job, "metadata.name", ""),
               *ns = json_str_at(job, "metadata.namespace", "");
    char suffix[8], full[320], message[400];

    rand_suffix(suffix, 5);
    snprintf(full, sizeof full, "%.240s-%s", name, suffix);
    json_put_str(doc, meta, "name", full);
    snprintf(message, sizeof message, "%s-", name);
    json_put_str(doc, meta, "generateName", message);
    put_owner(doc, meta, job);
    yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, meta, "finalizers"), JOB_FINALIZER);
    struct json *body autojson = json_freeze(pod);
    call(r, (struct api_call){
                .verb = VERB_CREATE, .res = r->jobs->pods, .ns = ns, .body = json_root(body)});
    snprintf(message, sizeof message, "Created pod: %s", full);
    event_send(r->jobs->api, r->jobs->jobs, job, "job-controller", "Normal", "SuccessfulCreate",
               message);
}

static void delete_pod(struct run *r, yyjson_val *job, yyjson_val *pod)
{
    const char *name = json_str_at(pod, "metadata.name", "");
    char message[400];

    call(r, (struct api_call){.verb = VERB_DELETE,
                              .res = r->jobs->pods,
                              .ns = json_str_at(pod, "metadata.namespace", ""),
                              .name = name});
    snprintf(message, sizeof message, "Deleted pod: %s", name);
    event_send(r->jobs->api, r->jobs->jobs, job, "job-controller", "Normal", "SuccessfulDelete",
               message);
}

static void release_pod(struct run *r, yyjson_val *pod)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *body = yyjson_mut_obj(doc), *meta = json_put_obj(doc, body, "metadata");
    yyjson_mut_val *list = json_put_arr(doc, meta, "finalizers");

    json_each(json_at(pod, "metadata.finalizers"), f, i, n)
        if (strcmp(json_str(f, ""), JOB_FINALIZER))
            yyjson_mut_arr_append(list, json_thaw(doc, f));
    json_put_str(doc, meta, "uid", json_str_at(pod, "metadata.uid", ""));
    struct json *frozen autojson = json_freeze(body);
    call(r, (struct api_call){.verb = VERB_PATCH,
                              .res = r->jobs->pods,
                              .ns = json_str_at(pod, "metadata.namespace", ""),
                              .name = json_str_at(pod, "metadata.name", ""),
                              .body = json_root(frozen)});
}

static void write_status(struct run *r, yyjson_val *job, const struct job_plan *p)
{
    yyjson_mut_val *body = json_thaw(p->doc, job);

    json_put(p->doc, body, "status", p->status);
    struct json *frozen autojson = json_freeze(body);
    call(r, (struct api_call){.verb = VERB_UPDATE,
                              .res = r->jobs->jobs,
                              .ns = json_str_at(job, "metadata.namespace", ""),
                              .name = json_str_at(job, "metadata.name", ""),
                              .subresource = "status",
                              .body = json_root(frozen)});
    if (p->event_reason)
        event_send(r->jobs->api, r->jobs->jobs, job, "job-controller", p->event_type,
                   p->event_reason, p->event_message);
}

static void carry_out(struct run *r, yyjson_val *job, const struct job_plan *p)
{
    for (size_t i = 0; i < p->create; i++)
        create_pod(r, job);
    for (size_t i = 0; i < p->remove.n; i++)
        delete_pod(r, job, p->remove.v[i]);
    for (size_t i = 0; i < p->release.n; i++)
        release_pod(r, p->release.v[i]);
    if (p->status)
        write_status(r, job, p);
    if (p->again_ns)
        work_add_after(r->jobs->work, r->key, p->again_ns);
}

/* ---- one run ---- */

struct pods {
    const char *uid; /* of the Job */
    VEC(struct json *) docs;
    VEC(yyjson_val *) roots;
};

static bool is_controlled(yyjson_val *pod, const char *uid)
{
    json_each(json_at(pod, "metadata.ownerReferences"), o, i, n)
        if (json_bool_at(o, "controller", false) && !strcmp(json_get_str(o, "uid", ""), uid))
            return true;
    return false;
}

static bool collect(void *arg, const struct object *o)
{
    struct pods *p = arg;

    for (unsigned i = 0; i < o->n_owners; i++) {
        if (strcmp(o->owners + i * 37, p->uid))
            continue;
        struct json *doc = object_parse(o);
        if (is_controlled(json_root(doc), p->uid)) {
            vec_push(&p->docs, doc);
            vec_push(&p->roots, json_root(doc));
        } else {
            json_unref(doc);
        }
        break;
    }
    return true;
}

static void plan_and_go(struct run *r, const struct object *o)
{
    struct json *doc autojson = object_parse(o);
    struct pods pods = {.uid = o->uid};
    struct job_plan plan;

    storage_each(api_storage(r->jobs->api),
                 &(struct storage_scan){.res = r->jobs->pods, .ns = o->ns}, collect, &pods, NULL);
    job_plan_init(&plan);
    job_plan(&(struct job_input){json_root(doc), pods.roots.v, pods.roots.n, clock_wall_ns()},
             &plan);
    carry_out(r, json_root(doc), &plan);
    job_plan_done(&plan);
    for (size_t i = 0; i < pods.docs.n; i++)
        json_unref(pods.docs.v[i]);
    vec_done(&pods.docs);
    vec_done(&pods.roots);
}

static void run(void *self, const char *key)
{
    struct jobs *jobs = self;
    struct run *r = xnew(struct run);
    const char *slash = strchr(key, '/');
    autofree char *ns = xstrndup(key, (size_t)(slash - key));

    *r = (struct run){.jobs = jobs, .key = xstrdup(key), .pending = 1};
    struct object *o autoobject = storage_get(api_storage(jobs->api), jobs->jobs, ns, slash + 1);
    if (o)
        plan_and_go(r, o);
    run_release(r);
}

/* ---- following ---- */

static void add(struct jobs *jobs, const char *ns, const char *name)
{
    autofree char *key = xasprintf("%s/%s", ns, name);

    work_add(jobs->work, key);
}

static void on_job(void *arg, const struct event *e)
{
    if (e->type != EVENT_DELETED)
        add(arg, e->object->ns, e->object->name);
}

static void on_pod(void *arg, const struct event *e)
{
    if (!e->object->n_owners)
        return;
    struct json *doc autojson = object_parse(e->object);
    json_each(json_at(json_root(doc), "metadata.ownerReferences"), o, i, n)
        if (!strcmp(json_get_str(o, "kind", ""), "Job") && json_bool_at(o, "controller", false))
            add(arg, e->object->ns, json_get_str(o, "name", ""));
}

static bool first_look(void *arg, const struct object *o)
{
    add(arg, o->ns, o->name);
    return true;
}

static void *start(struct apiserver *api)
{
    struct jobs *j = xnew(struct jobs);

    j->api = api;
    j->jobs = api_resource(api, "batch", "jobs");
    j->pods = api_resource(api, "", "pods");
    j->work = work_new(api_loop(api), run, j);
    j->on_job = api_subscribe(api, j->jobs, on_job, j);
    j->on_pod = api_subscribe(api, j->pods, on_pod, j);
    storage_each(api_storage(api), &(struct storage_scan){.res = j->jobs}, first_look, j, NULL);
    return j;
}

static void stop(void *self)
{
    struct jobs *j = self;

    api_unsubscribe(j->on_job);
    api_unsubscribe(j->on_pod);
    work_free(j->work);
    free(j);
}

const struct controller job_controller = {"job-controller", start, stop};
