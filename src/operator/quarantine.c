#include "operator/quarantine.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <string.h>

struct writing {
    struct actor *a;
    enum ray_kind kind;
    void (*on_end)(void *ctx, bool ok);
    void *ctx;
};

bool quarantine_can_show(enum ray_kind kind)
{
    return kind == KIND_RAYCLUSTER || kind == KIND_RAYSERVICE;
}

bool quarantine_shown(enum ray_kind kind, yyjson_val *object)
{
    if (!quarantine_can_show(kind))
        return false;
    json_each(json_at(object, "status.conditions"), cond, i, n)
        if (!strcmp(json_get_str(cond, "type", ""), QUARANTINED))
            return true;
    return false;
}

static void on_written(void *ctx, int code, struct json *answer, struct err *err)
{
    struct writing *w = ctx;

    if (!w->a->stopping) {
        if (code < 0)
            log_warn("the condition of a quarantine was not written", "error", err->msg, NULL);
        else
            observe_answer(w->a->observe, w->kind, json_root(answer));
        if (w->on_end)
            w->on_end(w->ctx, code == 0);
    }
    free(w);
}

static void add_condition(yyjson_mut_doc *doc, yyjson_mut_val *conditions, int64_t now_ns)
{
    yyjson_mut_val *cond = yyjson_mut_arr_add_obj(doc, conditions);
    char now[TIME_TEXT];

    json_put_str(doc, cond, "type", QUARANTINED);
    json_put_str(doc, cond, "status", "True");
    json_put_str(doc, cond, "reason", "PlanningCrashed");
    json_put_str(doc, cond, "message", QUARANTINE_TEXT);
    json_put_str(doc, cond, "lastTransitionTime", time_rfc3339(now_ns, now));
}

/* The object with its conditions, ours left out or put last. */
static yyjson_mut_val *edited(yyjson_mut_doc *doc, yyjson_val *object, bool on, int64_t now_ns)
{
    yyjson_mut_val *root = json_thaw(doc, object), *conditions = yyjson_mut_arr(doc);

    json_each(json_at(object, "status.conditions"), cond, i, n)
        if (strcmp(json_get_str(cond, "type", ""), QUARANTINED) != 0)
            yyjson_mut_arr_append(conditions, json_thaw(doc, cond));
    if (on)
        add_condition(doc, conditions, now_ns);
    json_put(doc, json_ensure(doc, root, "status"), "conditions", conditions);
    return root;
}

void quarantine_show(struct actor *a, enum ray_kind kind, yyjson_val *object, bool on,
                     void (*on_end)(void *ctx, bool ok), void *ctx)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    struct buf body cleanup(buf_done) = BUF_INIT;
    struct writing *w = xnew(struct writing);

    *w = (struct writing){.a = a, .kind = kind, .on_end = on_end, .ctx = ctx};
    json_mut_write(&body, edited(doc, object, on, a->now()));
    kube_call(a->kube, &(struct kube_call){.verb = KUBE_UPDATE,
                                           .gvr = kind_gvr(kind),
                                           .ns = meta_namespace(object),
                                           .name = meta_name(object),
                                           .subresource = "status",
                                           .body = buf_slice(&body),
                                           .on_done = on_written,
                                           .ctx = w});
}
