/* Claims, volumes and storage classes. */
#include "apiserver/kinds/kind.h"

#include "base/names.h"
#include "data/quantity.h"

#include <stdio.h>

#define ACCESS_MODES "ReadOnlyMany|ReadWriteMany|ReadWriteOnce|ReadWriteOncePod"

static void check_modes(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const modes[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                        "ReadWriteOncePod"};

    (void)r;
    json_each(s->v, mode, i, n)
        if (!str_in(json_str(mode, ""), ACCESS_MODES))
            field_not_supported(c->errs, s->path, mode, modes, ARRAY_SIZE(modes));
}

static void check_sole_mode(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, mode, i, n)
        if (n > 1 && !strcmp(json_str(mode, ""), "ReadWriteOncePod"))
            field_forbidden(c->errs, s->path,
                            "may not use ReadWriteOncePod with other access modes");
}

static void check_storage(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *storage = json_at(s->v, "requests.storage");
    struct quantity q;

    (void)r;
    if (!storage) {
        field_required(c->errs, check_at(c, s->path, "[storage]"), NULL);
        return;
    }
    if (quantity_parse(slice_of(json_str(storage, "")), &q, NULL) == 0 && q.mantissa <= 0)
        field_invalid(c->errs, check_at(c, s->path, "[storage]"), storage,
                      "must be greater than zero");
}

const struct rule claim_rules[] = {
    {"spec.accessModes", check_required, "at least 1 access mode is required"},
    {"spec.accessModes", check_modes},
    {"spec.accessModes", check_sole_mode},
    {"spec.resources", check_storage},
    {"spec.storageClassName", check_name, .name = name_dns1123_subdomain},
    {"spec.volumeMode", check_enum, "Block|Filesystem"},
    {"spec.selector", check_label_selector},
    {NULL},
};

static const char claim_fixed[] =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims";

static void check_claim_update(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const fixed[] = {"accessModes", "selector",   "storageClassName",
                                        "volumeMode",  "dataSource", "dataSourceRef"};
    bool bound = !strcmp(json_str_at(c->old_root, "status.phase", ""), "Bound");
    bool same = bound || json_equal(json_get(s->v, "resources"), json_get(s->old, "resources"));

    (void)r;
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        same &= json_equal(json_get(s->v, fixed[i]), json_get(s->old, fixed[i]));
    if (*json_get_str(s->old, "volumeName", ""))
        same &= json_equal(json_get(s->v, "volumeName"), json_get(s->old, "volumeName"));
    if (!same)
        field_forbidden(c->errs, s->path, claim_fixed);
}

const struct rule claim_update_rules[] = {{"spec", check_claim_update}, {NULL}};
const struct kind_defaults claim_defaults[] = {
    {"+spec.volumeMode", "\"Filesystem\""}, {"+status.phase", "\"Pending\""}, {NULL}};

/* A volume names exactly one source beside what every volume has. */
static void check_pv_source(struct check *c, const struct rule *r, const struct site *s)
{
    static const char common[] = "accessModes|capacity|claimRef|mountOptions|nodeAffinity|"
                                 "persistentVolumeReclaimPolicy|storageClassName|volumeMode|"
                                 "volumeAttributesClassName";
    size_t n = 0;

    (void)r;
    json_each_member(s->v, key, val)
        n += val && !str_in(yyjson_get_str(key), common);
    if (!n)
        field_required(c->errs, s->path, "must specify a volume type");
}

static void check_capacity(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const storage[] = {"storage"};

    (void)r;
    if (!yyjson_obj_size(s->v))
        field_required(c->errs, s->path, NULL);
    if (yyjson_obj_size(s->v) != 1 || !json_get(s->v, "storage"))
        field_not_supported(c->errs, s->path, s->v, storage, 1);
}

const struct rule volume_rules_pv[] = {
    {"spec", check_pv_source},
    {"spec.accessModes", check_required, "at least 1 access mode is required"},
    {"spec.accessModes", check_modes},
    {"spec.capacity", check_capacity},
    {"spec.capacity{}", check_quantity_nonneg},
    {"spec.persistentVolumeReclaimPolicy", check_enum, "Delete|Recycle|Retain"},
    {NULL},
};
const struct kind_defaults volume_defaults[] = {
    {"+spec.persistentVolumeReclaimPolicy", "\"Retain\""},
    {"spec.volumeMode", "\"Filesystem\""},
    {"spec.hostPath.type", "\"\""},
    {"+status.phase", "\"Pending\""},
    {NULL},
};

const struct rule storage_class_rules[] = {
    {"provisioner", check_required},
    {"reclaimPolicy", check_enum, "Delete|Retain"},
    {"volumeBindingMode", check_enum_needed, "Immediate|WaitForFirstConsumer"},
    {NULL},
};
const struct rule storage_class_update_rules[] = {
    {"parameters", check_immutable, "updates to parameters are forbidden."},
    {"provisioner", check_immutable},
    {"reclaimPolicy", check_immutable},
    {"volumeBindingMode", check_immutable},
    {NULL},
};
const struct kind_defaults storage_class_defaults[] = {
    {"reclaimPolicy", "\"Delete\""}, {"volumeBindingMode", "\"Immediate\""}, {NULL}};
