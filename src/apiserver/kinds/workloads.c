/* Deployments and the other kinds that keep pods running (pkg/apis/apps/validation, defaults). */
#include "apiserver/kinds/kind.h"

#include "apiserver/kinds/rules_pod.h"
#include "base/names.h"
#include "data/selector.h"

#include <stdio.h>

/* ---- shared ---- */

static const char mismatch[] = "`selector` does not match template `labels`";

void check_selector_matches(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *selector = json_get(s->v, "selector");
    yyjson_val *labels = json_at(s->v, "template.metadata.labels");
    struct selector *compiled = NULL;
    bool matches = false;

    (void)r;
    if (!yyjson_is_obj(selector))
        selector = NULL; /* matches nothing */
    if (selector && selector_from_json(selector, &compiled, NULL) < 0)
        return; /* said by check_label_selector */
    if (selector)
        matches = selector_matches(compiled, labels);
    selector_free(compiled);
    if (!matches)
        field_invalid(c->errs, check_at(c, s->path, ".template.metadata.labels"), labels, mismatch);
}

/* The same for a plain map. */
static void check_map_matches(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *labels = json_at(s->v, "template.metadata.labels");

    (void)r;
    json_each_member(json_get(s->v, "selector"), key, val) {
        if (json_equal(val, json_get(labels, yyjson_get_str(key))))
            continue;
        field_invalid(c->errs, check_at(c, s->path, ".template.metadata.labels"), labels, mismatch);
        return;
    }
}

void check_always(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const always[] = {"Always"};

    (void)r;
    if (strcmp(json_str(s->v, "Always"), "Always"))
        field_not_supported(c->errs, s->path, s->v, always, 1);
}

/* r->text names the kind. */
static void check_empty_selector(struct check *c, const struct rule *r, const struct site *s)
{
    if (yyjson_is_obj(s->v) && json_is_empty(json_get(s->v, "matchLabels")) &&
        json_is_empty(json_get(s->v, "matchExpressions")))
        check_add_invalid(c, s, r->text);
}

/* What cannot be compiled is said once more, for the whole. */
static void check_selector_compiles(struct check *c, const struct rule *r, const struct site *s)
{
    struct selector *compiled = NULL;

    (void)r;
    if (yyjson_is_obj(s->v) && selector_from_json(s->v, &compiled, NULL) < 0)
        check_add_invalid(c, s, "invalid label selector");
    selector_free(compiled);
}

#define SELECTOR(kind)                                                                             \
    {"spec.selector", check_present}, {"spec.selector", check_label_selector},                     \
        {"spec.selector", check_empty_selector, "empty selector is invalid for " kind},            \
        {"spec.selector", check_selector_compiles},                                                \
    {                                                                                              \
        "spec", check_selector_matches                                                             \
    }

/* A pod with a deadline ends, and what keeps pods running would start the next one for ever. */
static void check_no_deadline(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (s->v)
        field_forbidden(c->errs, s->path, "activeDeadlineSeconds in ReplicaSet is not Supported");
}

#define TEMPLATE                                                                                   \
    {"spec.template", check_rules, .rules = pod_template_rules},                                   \
        {"spec.template.spec.activeDeadlineSeconds", check_no_deadline},                           \
    {                                                                                              \
        "spec.template.spec.restartPolicy", check_always                                           \
    }

#define KEEP_SELECTOR                                                                              \
    {                                                                                              \
        "spec.selector", check_immutable                                                           \
    }

/* ---- deployments ---- */

static bool is_zero(yyjson_val *v)
{
    return (yyjson_is_int(v) && !yyjson_get_sint(v)) ||
           (yyjson_is_str(v) &&
            (!strcmp(yyjson_get_str(v), "0%") || !strcmp(yyjson_get_str(v), "0")));
}

static void check_strategy(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *rolling = json_get(s->v, "rollingUpdate");

    (void)r;
    if (!strcmp(json_get_str(s->v, "type", ""), "Recreate") && rolling)
        field_forbidden(c->errs, check_at(c, s->path, ".rollingUpdate"),
                        "may not be specified when strategy `type` is 'Recreate'");
    else if (is_zero(json_get(rolling, "maxUnavailable")) && is_zero(json_get(rolling, "maxSurge")))
        field_invalid(c->errs, check_at(c, s->path, ".rollingUpdate.maxUnavailable"),
                      json_get(rolling, "maxUnavailable"), "may not be 0 when `maxSurge` is 0");
}

static void check_strategy_type(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const types[] = {"Recreate", "RollingUpdate"};

    (void)r;
    if (!str_in(json_get_str(s->v, "type", ""), "Recreate|RollingUpdate"))
        field_not_supported(c->errs, s->path, s->v, types, ARRAY_SIZE(types));
}

static void check_progress(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *deadline = json_get(s->v, "progressDeadlineSeconds");

    (void)r;
    if (deadline && yyjson_get_sint(deadline) <= json_int_at(s->v, "minReadySeconds", 0))
        field_invalid(c->errs, check_at(c, s->path, ".progressDeadlineSeconds"), deadline,
                      "must be greater than minReadySeconds");
}

const struct rule deployment_rules[] = {
    SELECTOR("deployment"),
    TEMPLATE,
    {"spec.replicas", check_min},
    {"spec.strategy", check_strategy_type},
    {"spec.strategy.rollingUpdate.maxSurge", check_percent_or_int},
    {"spec.strategy.rollingUpdate.maxUnavailable", check_percent_or_int},
    {"spec.strategy.rollingUpdate.maxUnavailable", check_hundred},
    {"spec.strategy", check_strategy},
    {"spec.minReadySeconds", check_min},
    {"spec.revisionHistoryLimit", check_min},
    {"spec.progressDeadlineSeconds", check_min},
    {"spec", check_progress},
    {NULL},
};
const struct rule deployment_update_rules[] = {KEEP_SELECTOR, {NULL}};

static void recreate(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (!strcmp(json_mut_str_at(at, "type", ""), "RollingUpdate"))
        json_ensure(doc, at, "rollingUpdate");
}

const struct kind_defaults deployment_defaults[] = {
    {"+spec.+template.+spec", .table = pod_spec_defaults},
    {"spec.replicas", "1"},
    {"+spec.+strategy.type", "\"RollingUpdate\""},
    {"spec.strategy", .fn = recreate},
    {"spec.strategy.rollingUpdate.maxUnavailable", "\"25%\""},
    {"spec.strategy.rollingUpdate.maxSurge", "\"25%\""},
    {"spec.revisionHistoryLimit", "10"},
    {"spec.progressDeadlineSeconds", "600"},
    {NULL},
};

/* ---- replica sets and replication controllers ---- */

const struct rule replicaset_rules[] = {
    {"spec.replicas", check_min},
    {"spec.minReadySeconds", check_min},
    SELECTOR("ReplicaSet"),
    TEMPLATE,
    {NULL},
};

static void labels_from_template(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    yyjson_mut_val *labels = json_mut_at(at, "spec.template.metadata.labels");

    (void)ch;
    if (yyjson_mut_obj_size(labels) && !yyjson_mut_obj_size(json_mut_at(at, "metadata.labels")))
        json_put(doc, json_ensure(doc, at, "metadata"), "labels", json_dup(doc, labels));
}

static void selector_from_template(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    yyjson_mut_val *labels = json_mut_at(at, "spec.template.metadata.labels");

    labels_from_template(doc, at, ch);
    if (yyjson_mut_obj_size(labels) && !yyjson_mut_obj_size(json_mut_at(at, "spec.selector")))
        json_put(doc, json_ensure(doc, at, "spec"), "selector", json_dup(doc, labels));
}

const struct kind_defaults replicaset_defaults[] = {
    {"+spec.+template.+spec", .table = pod_spec_defaults},
    {"spec.replicas", "1"},
    {NULL},
};

const struct rule controller_rules[] = {
    {"spec.replicas", check_min},
    {"spec.minReadySeconds", check_min},
    {"spec.selector", check_required},
    {"spec", check_map_matches},
    {"spec.template", check_present},
    TEMPLATE,
    {NULL},
};

const struct kind_defaults controller_defaults[] = {
    {"+spec.template.+spec", .table = pod_spec_defaults},
    {"", .fn = selector_from_template},
    {"spec.replicas", "1"},
    {NULL},
};

const struct rule pod_template_kind_rules[] = {
    {"template", check_rules, .rules = pod_template_rules}, {NULL}};
const struct kind_defaults pod_template_defaults[] = {
    {"+template.+spec", .table = pod_spec_defaults}, {NULL}};

/* ---- stateful sets ---- */

static const char set_only[] =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden";

static void check_set_update(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const fixed[] = {"selector", "serviceName", "podManagementPolicy",
                                        "volumeClaimTemplates"};

    (void)r;
    for (size_t i = 0; s->old && i < ARRAY_SIZE(fixed); i++) {
        if (json_equal(json_get(s->v, fixed[i]), json_get(s->old, fixed[i])))
            continue;
        field_forbidden(c->errs, s->path, set_only);
        return;
    }
}

static void check_set_policy(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!str_in(json_str(s->v, ""), "OrderedReady|Parallel"))
        check_add_invalid(c, s, "must be 'OrderedReady' or 'Parallel'");
}

static void check_set_strategy(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!str_in(json_get_str(s->v, "type", ""), "OnDelete|RollingUpdate"))
        check_add_invalid(c, s, "must be 'RollingUpdate' or 'OnDelete'");
}

static void check_set_rolling(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *rolling = json_get(s->v, "rollingUpdate");

    (void)r;
    if (rolling && !strcmp(json_get_str(s->v, "type", ""), "OnDelete"))
        field_invalid(c->errs, check_at(c, s->path, ".rollingUpdate"), rolling,
                      "only allowed for updateStrategy 'RollingUpdate'");
}

static void check_revision(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *data = json_get(s->v, "data"), *revision = json_get(s->v, "revision");

    (void)r;
    if (!data || yyjson_is_null(data))
        field_required(c->errs, "data", "data is mandatory");
    if (yyjson_get_sint(revision) < 0)
        field_invalid(c->errs, "revision", revision, "must be greater than or equal to 0");
}
const struct rule revision_rules[] = {{"", check_revision}, {NULL}};

const struct rule statefulset_rules[] = {
    SELECTOR("statefulset"),
    TEMPLATE,
    {"spec.replicas", check_min},
    {"spec.podManagementPolicy", check_set_policy},
    {"spec.updateStrategy", check_set_strategy},
    {"spec.updateStrategy", check_set_rolling},
    {"spec.persistentVolumeClaimRetentionPolicy.whenDeleted", check_enum, "Retain|Delete"},
    {"spec.persistentVolumeClaimRetentionPolicy.whenScaled", check_enum, "Retain|Delete"},
    {"spec.updateStrategy.rollingUpdate.partition", check_min},
    {"spec.minReadySeconds", check_min},
    {"spec.revisionHistoryLimit", check_min},
    {"spec.ordinals.start", check_min},
    {NULL},
};
const struct rule statefulset_update_rules[] = {{"spec", check_set_update}, {NULL}};

static void rolling_partition(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (strcmp(json_mut_str_at(at, "type", ""), "RollingUpdate"))
        return;
    yyjson_mut_val *rolling = json_ensure(doc, at, "rollingUpdate");
    if (!json_mut_get(rolling, "partition"))
        json_put_int(doc, rolling, "partition", 0);
}

static const struct kind_defaults claim_template[] = {
    {"apiVersion", "\"v1\""},
    {"kind", "\"PersistentVolumeClaim\""},
    {"+spec.volumeMode", "\"Filesystem\""},
    {"+status.phase", "\"Pending\""},
    {NULL},
};

const struct kind_defaults statefulset_defaults[] = {
    {"+spec.+template.+spec", .table = pod_spec_defaults},
    {"spec.podManagementPolicy", "\"OrderedReady\""},
    {"+spec.+updateStrategy.type", "\"RollingUpdate\""},
    {"spec.updateStrategy", .fn = rolling_partition},
    {"+spec.+persistentVolumeClaimRetentionPolicy.whenDeleted", "\"Retain\""},
    {"spec.persistentVolumeClaimRetentionPolicy.whenScaled", "\"Retain\""},
    {"spec.volumeClaimTemplates[]", .table = claim_template},
    {"spec.replicas", "1"},
    {"spec.revisionHistoryLimit", "10"},
    {NULL},
};

/* ---- daemon sets ---- */

static void check_daemon_rolling(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *surge = json_get(s->v, "maxSurge"), *gone = json_get(s->v, "maxUnavailable");
    bool no_surge = !surge || is_zero(surge), none_gone = !gone || is_zero(gone);

    (void)r;
    if (!no_surge && !none_gone)
        field_invalid(c->errs, check_at(c, s->path, ".maxSurge"), surge,
                      "may not be set when maxUnavailable is non-zero");
    if (no_surge && none_gone && s->v)
        field_required(c->errs, check_at(c, s->path, ".maxUnavailable"),
                       "cannot be 0 when maxSurge is 0");
}

static void check_daemon_strategy(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const types[] = {"OnDelete", "RollingUpdate"};

    (void)r;
    if (s->v && !str_in(json_get_str(s->v, "type", ""), "RollingUpdate|OnDelete"))
        field_not_supported(c->errs, s->path, s->v, types, ARRAY_SIZE(types));
}

const struct rule daemonset_rules[] = {
    SELECTOR("daemonset"),
    TEMPLATE,
    {"spec.updateStrategy", check_daemon_strategy},
    {"spec.updateStrategy.rollingUpdate.maxUnavailable", check_percent_or_int},
    {"spec.updateStrategy.rollingUpdate.maxSurge", check_percent_or_int},
    {"spec.updateStrategy.rollingUpdate", check_daemon_rolling},
    {"spec.minReadySeconds", check_min},
    {"spec.revisionHistoryLimit", check_min},
    {NULL},
};

static void daemon_rolling(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (strcmp(json_mut_str_at(at, "type", ""), "RollingUpdate"))
        return;
    yyjson_mut_val *rolling = json_ensure(doc, at, "rollingUpdate");
    if (!json_mut_get(rolling, "maxUnavailable"))
        json_put_int(doc, rolling, "maxUnavailable", 1);
    if (!json_mut_get(rolling, "maxSurge"))
        json_put_int(doc, rolling, "maxSurge", 0);
}

const struct kind_defaults daemonset_defaults[] = {
    {"+spec.+template.+spec", .table = pod_spec_defaults},
    {"+spec.+updateStrategy.type", "\"RollingUpdate\""},
    {"spec.updateStrategy", .fn = daemon_rolling},
    {"spec.revisionHistoryLimit", "10"},
    {NULL},
};

#define TEMPLATE_GENERATION "deprecated.daemonset.template.generation"

/* Counts changes of the template in an annotation, which was a field once. */
void daemonset_prepare(struct change *ch)
{
    yyjson_val *old = json_at(ch->old, "spec.template");
    const char *was =
        json_get_str(json_at(ch->old, "metadata.annotations"), TEMPLATE_GENERATION, "0");
    char text[24];

    if (*ch->subresource)
        return;
    struct json *now autojson = json_freeze(json_mut_at(ch->obj, "spec.template"));
    bool changed = !ch->old || !json_equal(json_root(now), old);
    snprintf(text, sizeof text, "%ld", strtol(was, NULL, 10) + changed);
    json_put_str(ch->doc, json_ensure(ch->doc, ch->obj, "metadata.annotations"),
                 TEMPLATE_GENERATION, text);
}
