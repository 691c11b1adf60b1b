/*
 * What upstream's validating webhooks refuse (spec: platform §2.4): names, and groups that share a
 * name, which nothing else checks. None of the rules about specs is looked at here.
 */
#include "ray/validate/validate.h"

#include "base/names.h"
#include "data/field_error.h"
#include "ray/names.h"

#include <string.h>

#define OWNED_NAME_MAX 47 /* of a RayJob or RayService: its RayCluster's name is longer */
#define ANN_INITIALIZING "ray.io/initializing-timeout"

static const char *owned_metadata(struct arena *a, const char *kind, const char *name)
{
    const char *why = name_dns1035_label(slice_of(name));

    if (strlen(name) > OWNED_NAME_MAX)
        return arena_printf(
            a, "The %s metadata is invalid: %s name should be no more than %d characters", kind,
            kind, OWNED_NAME_MAX);
    return why ? arena_printf(
                     a, "The %s metadata is invalid: %s name should be a valid DNS1035 label: [%s]",
                     kind, kind, why)
               : NULL;
}

const char *validate_job_metadata(struct arena *a, const char *name)
{
    return owned_metadata(a, CRD_RAYJOB, name);
}

/* The unit that s begins with: its length, or 0. */
static size_t duration_unit(const char *s)
{
    static const char *const units[] = {"ns", "us", "µs", "μs", "ms", "s", "m", "h"};

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (!strncmp(s, units[i], strlen(units[i])))
            return strlen(units[i]);
    return 0;
}

/* A duration as Go reads it, of more than nothing: "1h2.5m". */
static bool is_duration(const char *s)
{
    bool positive = false;

    s += *s == '+';
    if (!*s)
        return false;
    while (*s) {
        size_t whole = strspn(s, "0123456789"), part = 0, unit;

        if (s[whole] == '.')
            part = strspn(s + whole + 1, "0123456789");
        if (!whole && !part)
            return false;
        positive |= strcspn(s, "123456789") < whole + (s[whole] == '.') + part;
        s += whole + (s[whole] == '.') + part;
        unit = duration_unit(s);
        if (!unit)
            return false;
        s += unit;
    }
    return positive;
}

const char *validate_service_metadata(struct arena *a, const char *name, yyjson_val *annotations)
{
    const char *why = owned_metadata(a, CRD_RAYSERVICE, name);
    const char *timeout = json_get_str(annotations, ANN_INITIALIZING, "");
    int64_t seconds;

    if (why || !*timeout || is_duration(timeout))
        return why;
    if (slice_int64(slice_of(timeout), &seconds) && seconds > 0)
        return NULL;
    return arena_printf(a,
                        "The RayService metadata is invalid: annotation " ANN_INITIALIZING
                        " must be a positive duration or a positive number of seconds, not %s",
                        timeout);
}

/* Only the first one that repeats another is told. */
static void check_groups(struct arena *a, yyjson_val *groups, struct field_errors *ret)
{
    json_each(groups, group, i, n) {
        json_each(groups, other, k, m) {
            if (k >= i)
                break;
            if (strcmp(group_name(group), group_name(other)) != 0)
                continue;
            field_invalid_str(ret, arena_printf(a, "spec.workerGroupSpecs[%zu]", i),
                              group_name(group), "worker group names must be unique");
            return;
        }
    }
}

void validate_admission(struct arena *a, enum ray_kind kind, yyjson_val *object,
                        struct field_errors *ret)
{
    yyjson_val *meta = json_get(object, "metadata");
    const char *name = json_get_str(meta, "name", ""), *why = NULL;

    if (kind == KIND_RAYCLUSTER)
        why = validate_cluster_metadata(a, name);
    else if (kind == KIND_RAYJOB)
        why = validate_job_metadata(a, name);
    else if (kind == KIND_RAYSERVICE)
        why = validate_service_metadata(a, name, json_get(meta, "annotations"));
    if (why)
        field_invalid_str(ret, "metadata.name", name, why);
    if (kind == KIND_RAYCLUSTER)
        check_groups(a, json_at(object, "spec.workerGroupSpecs"), ret);
}
