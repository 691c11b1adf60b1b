/* ttl-after-finished-controller: a finished Job goes when its ttlSecondsAfterFinished are over. */
#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/jobplan.h"
#include "apiserver/controllers/work.h"
#include "base/clock.h"
#include "base/timefmt.h"

struct ttl {
    struct apiserver *api;
    const struct resource *jobs;
    struct work *work;
    struct subscription *sub;
};

static void delete_job(struct ttl *t, const struct object *o)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *body = yyjson_mut_obj(doc);

    json_put_str(doc, body, "propagationPolicy", "Foreground");
    json_put_str(doc, json_put_obj(doc, body, "preconditions"), "uid", o->uid);
    struct json *frozen autojson = json_freeze(body);
    api_call(t->api, &(struct api_call){.verb = VERB_DELETE,
                                        .res = t->jobs,
                                        .ns = o->ns,
                                        .name = o->name,
                                        .body = json_root(frozen)});
}

static void run(void *self, const char *key)
{
    struct ttl *t = self;
    const char *slash = strchr(key, '/');
    autofree char *ns = xstrndup(key, (size_t)(slash - key));
    struct object *o autoobject = storage_get(api_storage(t->api), t->jobs, ns, slash + 1);
    struct json *doc autojson = o && !o->terminating ? object_parse(o) : NULL;
    yyjson_val *seconds = json_at(json_root(doc), "spec.ttlSecondsAfterFinished"), *end = NULL;
    int64_t at, left;

    if (seconds && job_is_finished(json_root(doc), &end) &&
        time_parse(slice_of(json_get_str(end, "lastTransitionTime", "")), &at)) {
        left = at + yyjson_get_sint(seconds) * SECOND_NS - clock_wall_ns();
        if (left <= 0)
            delete_job(t, o);
        else
            work_add_after(t->work, key, left);
    }
    work_done(t->work, key, WORK_FINE);
}

static bool look(void *arg, const struct object *o)
{
    autofree char *key = xasprintf("%s/%s", o->ns, o->name);

    work_add(((struct ttl *)arg)->work, key);
    return true;
}

static void follow(void *arg, const struct event *e)
{
    if (e->type != EVENT_DELETED)
        look(arg, e->object);
}

static void *start(struct apiserver *api)
{
    struct ttl *t = xnew(struct ttl);

    t->api = api;
    t->jobs = api_resource(api, "batch", "jobs");
    t->work = work_new(api_loop(api), run, t);
    t->sub = api_subscribe(api, t->jobs, follow, t);
    storage_each(api_storage(api), &(struct storage_scan){.res = t->jobs}, look, t, NULL);
    return t;
}

static void stop(void *self)
{
    struct ttl *t = self;

    api_unsubscribe(t->sub);
    work_free(t->work);
    free(t);
}

const struct controller ttl_controller = {"ttl-after-finished-controller", start, stop};
