/* Labels of pods (spec: raycluster §8.2): the user's win, but for the three that find pods again.
 */
#include "ray/build/pod.h"

#include "ray/names.h"

static const char *const ours[] = {LABEL_NODE_TYPE, LABEL_GROUP, LABEL_CLUSTER};

static void overlay(struct pod *b, yyjson_mut_val *labels, yyjson_val *user)
{
    json_each_member(user, key, val) {
        const char *k = json_str(key, "");
        bool kept = false;

        for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
            kept |= !strcmp(k, ours[i]);
        if (!kept)
            json_put_str(b->doc, labels, k, json_str(val, ""));
    }
}

/* Places for what build_place() fills in, so that the order of a typed object holds. */
static void placeholders(struct pod *b, yyjson_mut_val *labels, bool multi_host)
{
    if (b->head || !ray_feature(b->c->o, FEATURE_MULTI_HOST_INDEXING))
        return;
    json_put_str(b->doc, labels, LABEL_REPLICA_INDEX, "");
    if (multi_host) {
        json_put_str(b->doc, labels, LABEL_REPLICA_NAME, "");
        json_put_str(b->doc, labels, LABEL_HOST_INDEX, "");
    }
}

void pod_labels(struct pod *b)
{
    const char *type = b->head ? NODE_HEAD : NODE_WORKER;
    const char *id = arena_printf(b->a, "%s-%s", b->c->name, type);
    yyjson_mut_val *labels = yyjson_mut_obj(b->doc);

    json_put_str(b->doc, labels, LABEL_IS_RAY_NODE, "yes");
    json_put_str(b->doc, labels, LABEL_CLUSTER, b->c->name);
    json_put_str(b->doc, labels, LABEL_NODE_TYPE, type);
    json_put_str(b->doc, labels, LABEL_GROUP, b->group_name);
    json_put_str(b->doc, labels, LABEL_IDENTIFIER, name_check_label(b->a, id));
    json_put_str(b->doc, labels, LABEL_APP, APP_NAME);
    json_put_str(b->doc, labels, LABEL_CREATED_BY, CREATED_BY);
    placeholders(b, labels, group_hosts(b->group) > 1);
    overlay(b, labels, json_at(b->group, "template.metadata.labels"));
    overlay(b, labels, json_get(b->group, "labels"));
    json_put(b->doc, b->meta, "labels", labels);
}
