#include "apiserver/controllers/event.h"

#include "base/clock.h"
#include "base/timefmt.h"

#include <stdio.h>

void event_send(struct apiserver *api, const struct resource *res, yyjson_val *obj,
                const char *component, const char *type, const char *reason, const char *message)
{
    static const char *const copied[] = {"namespace", "name", "uid", "resourceVersion"};
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *e = yyjson_mut_obj(doc), *about = json_put_obj(doc, e, "involvedObject");
    char name[320], now[TIME_TEXT];
    int64_t at = clock_wall_ns();

    snprintf(name, sizeof name, "%.200s.%llx", json_str_at(obj, "metadata.name", ""),
             (unsigned long long)at);
    json_put_str(doc, json_put_obj(doc, e, "metadata"), "name", name);
    json_put_str(doc, about, "kind", res->kind);
    json_put_str(doc, about, "apiVersion", res->api_version);
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
        json_put_str(doc, about, copied[i], json_get_str(json_get(obj, "metadata"), copied[i], ""));
    json_put_str(doc, e, "type", type);
    json_put_str(doc, e, "reason", reason);
    json_put_str(doc, e, "message", message);
    json_put_str(doc, json_put_obj(doc, e, "source"), "component", component);
    json_put_str(doc, e, "reportingComponent", component);
    json_put_str(doc, e, "firstTimestamp", time_rfc3339(at, now));
    json_put_str(doc, e, "lastTimestamp", now);
    json_put_int(doc, e, "count", 1);
    struct json *body autojson = json_freeze(e);
    api_call(api, &(struct api_call){.verb = VERB_CREATE,
                                     .res = api_resource(api, "", "events"),
                                     .ns = json_str_at(obj, "metadata.namespace", "default"),
                                     .body = json_root(body),
                                     .manager = component});
}
