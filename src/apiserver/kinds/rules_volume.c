/* k8s.io/kubernetes pkg/apis/core/validation: volumes of pods. */
#include "apiserver/kinds/rules_pod.h"

#include "base/names.h"
#include "data/quantity.h"

#include <stdio.h>

static bool quantity_of(yyjson_val *v, struct quantity *q)
{
    return yyjson_is_str(v) &&
           quantity_parse((struct slice){yyjson_get_str(v), yyjson_get_len(v)}, q, NULL) == 0;
}

static void check_volume_source(struct check *c, const struct rule *r, const struct site *s)
{
    /* The order in which Kubernetes looks at them: the first one is right, others are too many. */
    static const char order[] =
        "emptyDir|hostPath|gitRepo|gcePersistentDisk|awsElasticBlockStore|secret|nfs|iscsi|"
        "glusterfs|flocker|persistentVolumeClaim|rbd|cinder|cephfs|downwardAPI|fc|azureFile|"
        "configMap|vsphereVolume|quobyte|azureDisk|photonPersistentDisk|projected|"
        "portworxVolume|scaleIO|storageos|csi|ephemeral|image";
    struct slice rest = slice_of(order), one;
    size_t n = 0;

    (void)r;
    while (slice_cut(&rest, '|', &one)) {
        if (!yyjson_obj_getn(s->v, one.p, one.n) || !n++)
            continue;
        field_forbidden(c->errs, check_at(c, s->path, ".%.*s", SLICE_FMT(one)),
                        "may not specify more than 1 volume type");
    }
    if (!n)
        field_required(c->errs, s->path, "must specify a volume type");
}

static void check_mode(struct check *c, const struct rule *r, const struct site *s)
{
    int64_t n = yyjson_get_sint(s->v);

    (void)r;
    if (s->v && (n < 0 || n > 0777))
        check_add_invalid(c, s, "must be a number between 0 and 0777 (octal), both inclusive");
}

static const struct rule key_rules[] = {
    {"key", check_required},
    {"path", check_required},
    {"path", check_relative},
    {"mode", check_mode},
    {NULL},
};

static const struct rule file_rules[] = {
    {"path", check_required},
    {"path", check_relative},
    {"fieldRef.fieldPath", check_field_path},
    {"resourceFieldRef.resource", check_resource_name},
    {"mode", check_mode},
    {NULL},
};

/* Exactly one source; a second one is refused without saying which. */
static void check_projection(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    for (size_t i = 1; i < yyjson_obj_size(s->v); i++)
        field_forbidden(c->errs, s->path, "may not specify more than 1 volume type");
}

/* Of a volume, Kubernetes names neither "items" nor the item. */
static void check_downward(struct check *c, const struct rule *r, const struct site *s)
{
    char path[1024];

    (void)r;
    snprintf(path, sizeof path, "%s", s->path);
    json_each(json_get(s->v, "items"), item, i, n) {
        rules_apply(c, file_rules, item, NULL, path);
        if (!json_get(item, "fieldRef") && !json_get(item, "resourceFieldRef"))
            field_required(c->errs, path, "one of fieldRef and resourceFieldRef is required");
    }
}

static void check_no_dots(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (path_has_dotdot(json_str(s->v, "")))
        check_add_invalid(c, s, "must not contain '..'");
}

static void check_size_limit(struct check *c, const struct rule *r, const struct site *s)
{
    struct quantity q;

    (void)r;
    if (quantity_of(s->v, &q) && q.mantissa < 0)
        field_forbidden(c->errs, s->path, "SizeLimit field must be a valid resource quantity");
}

static const struct rule projected_rules[] = {
    {"", check_projection},
    {"configMap.name", check_required},
    {"configMap.items[]", check_rules, .rules = key_rules},
    {"secret.name", check_required},
    {"secret.items[]", check_rules, .rules = key_rules},
    {"downwardAPI.items[]", check_rules, .rules = file_rules},
    {"serviceAccountToken.path", check_required},
    {"serviceAccountToken.path", check_relative},
    {"serviceAccountToken.expirationSeconds", check_min,
     "may not specify a duration less than 10 minutes", .min = 600},
    {NULL},
};

const struct rule volume_rules[] = {
    {"name", check_name_needed, .name = name_dns1123_label},
    {"", check_volume_source},
    {"emptyDir.sizeLimit", check_size_limit},
    {"hostPath.path", check_required},
    {"hostPath.path", check_no_dots},
    {"hostPath.type", check_enum,
     "BlockDevice|CharDevice|Directory|DirectoryOrCreate|File|FileOrCreate|Socket"},
    {"secret.secretName", check_required},
    {"secret.defaultMode", check_mode},
    {"secret.items[]", check_rules, .rules = key_rules},
    {"configMap.name", check_required},
    {"configMap.defaultMode", check_mode},
    {"configMap.items[]", check_rules, .rules = key_rules},
    {"downwardAPI.defaultMode", check_mode},
    {"downwardAPI", check_downward},
    {"projected.defaultMode", check_mode},
    {"projected.sources[]", check_rules, .rules = projected_rules},
    {"projected", check_projected_paths},
    {"persistentVolumeClaim.claimName", check_required},
    {"nfs.server", check_required},
    {"nfs.path", check_required},
    {"nfs.path", check_absolute, "must be an absolute path"},
    {NULL},
};
