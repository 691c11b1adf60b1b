/* Jobs and CronJobs (pkg/apis/batch: defaults, validation, strategy). */
#include "apiserver/kinds/kind.h"

#include "apiserver/kinds/rules_pod.h"
#include "base/names.h"

#include <stdio.h>
#include <unistd.h>

#define UID_LABEL "batch.kubernetes.io/controller-uid"
#define NAME_LABEL "batch.kubernetes.io/job-name"

/* ---- defaults ---- */

static void completions(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (!json_mut_get(at, "completions") && !json_mut_get(at, "parallelism"))
        json_put_int(doc, at, "completions", 1);
    if (!json_mut_get(at, "parallelism"))
        json_put_int(doc, at, "parallelism", 1);
}

static void replacement(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (!json_mut_get(at, "podReplacementPolicy"))
        json_put_str(doc, at, "podReplacementPolicy",
                     json_mut_get(at, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
    if (!json_mut_get(at, "backoffLimit"))
        json_put_int(doc, at, "backoffLimit",
                     json_mut_get(at, "backoffLimitPerIndex") ? 2147483647 : 6);
}

const struct kind_defaults job_defaults[] = {
    {"+spec.+template.+spec", .table = pod_spec_defaults},
    {"spec", .fn = completions},
    {"spec", .fn = replacement},
    {"spec.completionMode", "\"NonIndexed\""},
    {"spec.suspend", "false"},
    {"spec.manualSelector", "false"},
    {"spec.podFailurePolicy.rules[].onPodConditions[].status", "\"True\""},
    {NULL},
};

const struct kind_defaults cronjob_defaults[] = {
    {"+spec.+jobTemplate.+spec.+template.+spec", .table = pod_spec_defaults},
    {"spec.concurrencyPolicy", "\"Allow\""},
    {"spec.suspend", "false"},
    {"spec.successfulJobsHistoryLimit", "3"},
    {"spec.failedJobsHistoryLimit", "1"},
    {NULL},
};

/* ---- create: labels and selector that no other job has ---- */

static void put_absent(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *v)
{
    if (!json_mut_get(obj, key))
        json_put_str(doc, obj, key, v);
}

static void generate_selector(struct change *ch)
{
    const char *uid = json_mut_str_at(ch->obj, "metadata.uid", "");
    const char *name = json_mut_str_at(ch->obj, "metadata.name", "");
    yyjson_mut_val *labels = json_ensure(ch->doc, ch->obj, "spec.template.metadata.labels");
    yyjson_mut_val *match;

    put_absent(ch->doc, labels, UID_LABEL, uid);
    put_absent(ch->doc, labels, NAME_LABEL, name);
    put_absent(ch->doc, labels, "controller-uid", uid);
    put_absent(ch->doc, labels, "job-name", name);
    match = json_ensure(ch->doc, ch->obj, "spec.selector.matchLabels");
    put_absent(ch->doc, match, UID_LABEL, uid);
}

void job_prepare(struct change *ch)
{
    if (ch->verb != VERB_CREATE)
        return;
    if (!yyjson_mut_get_bool(json_mut_at(ch->obj, "spec.manualSelector")))
        generate_selector(ch);
    yyjson_mut_val *labels = json_mut_at(ch->obj, "spec.template.metadata.labels");
    if (yyjson_mut_obj_size(labels) &&
        !yyjson_mut_obj_size(json_mut_at(ch->obj, "metadata.labels")))
        json_put(ch->doc, json_mut_get(ch->obj, "metadata"), "labels", json_dup(ch->doc, labels));
}

/* ---- validation ---- */

/* A selector of its own is only for manualSelector; otherwise it holds exactly the generated label.
 */
static void check_generated(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *selector = json_get(s->v, "selector"), *labels = json_get(selector, "matchLabels");

    (void)r;
    if (json_bool_at(s->v, "manualSelector", false) || c->old_root)
        return;
    if (yyjson_obj_size(labels) != 1 || !json_get(labels, UID_LABEL) ||
        yyjson_arr_size(json_get(selector, "matchExpressions")))
        field_invalid(c->errs, check_at(c, s->path, ".selector"), selector,
                      "`selector` not auto-generated");
}

static void check_restart(struct check *c, const struct rule *r, const struct site *s)
{
    const char *policy = json_str(s->v, "");

    (void)r;
    if (!*policy || !strcmp(policy, "Always"))
        field_required(c->errs, s->path, "valid values: \"OnFailure\", \"Never\"");
    else if (!str_in(policy, "OnFailure|Never"))
        field_not_supported(c->errs, s->path, s->v, (const char *const[]){"OnFailure", "Never"}, 2);
}

static void check_indexed(struct check *c, const struct rule *r, const struct site *s)
{
    bool indexed = !strcmp(json_get_str(s->v, "completionMode", ""), "Indexed");
    yyjson_val *parallelism = json_get(s->v, "parallelism");
    char why[96];

    (void)r;
    if (indexed && !json_get(s->v, "completions"))
        field_required(c->errs, check_at(c, s->path, ".completions"),
                       "when completion mode is Indexed");
    snprintf(why, sizeof why,
             "must be less than or equal to 100000 when completion mode is Indexed");
    if (indexed && yyjson_get_sint(parallelism) > 100000)
        field_invalid(c->errs, check_at(c, s->path, ".parallelism"), parallelism, why);
    if (!indexed && json_get(s->v, "backoffLimitPerIndex"))
        field_invalid(c->errs, check_at(c, s->path, ".backoffLimitPerIndex"),
                      json_get(s->v, "backoffLimitPerIndex"), "requires indexed completion mode");
}

static void check_failure_policy(struct check *c, const struct rule *r, const struct site *s)
{
    const char *restart = json_str_at(s->v, "template.spec.restartPolicy", "");

    (void)r;
    if (json_get(s->v, "podFailurePolicy") && strcmp(restart, "Never"))
        field_invalid(c->errs, check_at(c, s->path, ".template.spec.restartPolicy"),
                      json_at(s->v, "template.spec.restartPolicy"),
                      "only \"Never\" is supported when podFailurePolicy is specified");
}

static void check_failure_rule(struct check *c, const struct rule *r, const struct site *s)
{
    size_t n = (json_get(s->v, "onExitCodes") != NULL) +
               (yyjson_arr_size(json_get(s->v, "onPodConditions")) > 0);

    (void)r;
    if (n != 1)
        field_invalid(c->errs, s->path, s->v,
                      n ? "specifying both OnExitCodes and OnPodConditions is not supported"
                        : "specifying one of OnExitCodes and OnPodConditions is required");
}

static void check_exit_codes(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!yyjson_arr_size(s->v))
        check_add_invalid(c, s, "at least one value is required");
}

static const struct rule failure_rules[] = {
    {"action", check_enum_needed, "Count|FailIndex|FailJob|Ignore"},
    {"", check_failure_rule},
    {"onExitCodes.operator", check_enum_needed, "In|NotIn"},
    {"onExitCodes.values", check_exit_codes},
    {"onPodConditions[].type", check_name_needed, .name = name_qualified},
    {"onPodConditions[].status", check_enum_needed, "False|True|Unknown"},
    {NULL},
};

static void check_manager(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_str(s->v, ""), *why = name_qualified(slice_of(name));

    (void)r;
    if (s->v && (why || !strchr(name, '/')))
        check_add_invalid(c, s,
                          why ? why : "must be a domain-prefixed path (such as \"acme.io/foo\")");
}

/* What a Job and a CronJob's jobTemplate have in common. */
static const struct rule job_spec_rules[] = {
    {"parallelism", check_min},
    {"completions", check_min},
    {"activeDeadlineSeconds", check_min},
    {"backoffLimit", check_min},
    {"backoffLimitPerIndex", check_min},
    {"maxFailedIndexes", check_min},
    {"ttlSecondsAfterFinished", check_min},
    {"completionMode", check_enum, "NonIndexed|Indexed"},
    {"", check_indexed},
    {"podReplacementPolicy", check_enum, "Failed|TerminatingOrFailed"},
    {"podFailurePolicy.rules[]", check_rules, .rules = failure_rules},
    {"", check_failure_policy},
    {"template", check_rules, .rules = pod_template_rules},
    {"template.spec.restartPolicy", check_restart},
    {"managedBy", check_manager},
    {"managedBy", check_max_len, .max = 63},
    {NULL},
};

/* Labels that the job generates may not say something else in the template. */
static void check_generated_labels(struct check *c, const struct rule *r, const struct site *s)
{
    const char *uid = json_str_at(c->root, "metadata.uid", ""),
               *name = json_str_at(c->root, "metadata.name", "");
    const char *const labels[][2] = {
        {UID_LABEL, uid}, {"controller-uid", uid}, {NAME_LABEL, name}, {"job-name", name}};
    char why[300];

    (void)r;
    if (json_bool_at(c->root, "spec.manualSelector", false) || c->old_root || !*uid)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        yyjson_val *v = json_get(s->v, labels[i][0]);
        if (!v || !strcmp(json_str(v, ""), labels[i][1]))
            continue;
        snprintf(why, sizeof why, "must be '%s'", labels[i][1]);
        field_invalid(c->errs, check_at(c, s->path, "[%s]", labels[i][0]), v, why);
    }
}

const struct rule job_rules[] = {
    {"spec.template.metadata.labels", check_generated_labels},
    {"spec", check_rules, .rules = job_spec_rules},
    {"spec", check_generated},
    {"spec.selector", check_present},
    {"spec.selector", check_label_selector},
    {"spec", check_selector_matches},
    {NULL},
};

/* What may change in the template of a suspended job that never started: where its pods may run. */
static yyjson_mut_val *without_places(yyjson_mut_doc *doc, yyjson_val *template)
{
    static const char *const places[] = {"nodeSelector", "tolerations", "schedulingGates",
                                         "affinity"};
    yyjson_mut_val *spec = json_thaw(doc, json_get(template, "spec"));

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        json_remove(spec, places[i]);
    return spec;
}

static void check_template_kept(struct check *c, const struct rule *r, const struct site *s)
{
    bool idle = json_bool_at(c->old_root, "spec.suspend", false) &&
                !json_at(c->old_root, "status.startTime");
    yyjson_mut_doc *doc automut = json_mut_new();

    if (!idle) {
        check_immutable(c, r, s);
        return;
    }
    struct json *new autojson = json_freeze(without_places(doc, s->v));
    struct json *old autojson = json_freeze(without_places(doc, s->old));
    if (!json_equal(json_root(new), json_root(old)))
        field_invalid(c->errs, check_at(c, s->path, ".spec"), json_get(s->v, "spec"),
                      "field is immutable");
}

static void check_completions_kept(struct check *c, const struct rule *r, const struct site *s)
{
    if (strcmp(json_str_at(c->root, "spec.completionMode", ""), "Indexed"))
        check_immutable(c, r, s);
}

const struct rule job_update_rules[] = {
    {"spec.completions", check_completions_kept},
    {"spec.selector", check_immutable},
    {"spec.template", check_template_kept},
    {"spec.completionMode", check_immutable},
    {"spec.podFailurePolicy", check_immutable},
    {"spec.backoffLimitPerIndex", check_immutable},
    {"spec.managedBy", check_immutable},
    {"spec.successPolicy", check_immutable},
    {NULL},
};

static void check_schedule(struct check *c, const struct rule *r, const struct site *s)
{
    struct slice rest = slice_trim(slice_of(json_str(s->v, ""))), one;
    size_t n = 0;
    char why[200];

    (void)r;
    if (!rest.n) {
        field_required(c->errs, s->path, NULL);
        return;
    }
    if (*rest.p == '@')
        return;
    if (memmem(rest.p, rest.n, "TZ", 2)) {
        check_add_invalid(c, s, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        return;
    }
    while (slice_cut(&rest, ' ', &one))
        n += one.n > 0;
    if (n == 5)
        return;
    snprintf(why, sizeof why, "expected exactly 5 fields, found %zu: [%s]", n, json_str(s->v, ""));
    check_add_invalid(c, s, why);
}

/* Its jobs' names append eleven characters to its own. */
static void check_cron_name(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!c->old_root && strlen(json_str(s->v, "")) > 52)
        check_add_invalid(c, s, "must be no more than 52 characters");
}

#define ZONES "/usr/share/zoneinfo/"

static void check_zone(struct check *c, const struct rule *r, const struct site *s)
{
    const char *zone = json_str(s->v, NULL);
    char path[300], why[300];

    (void)r;
    if (!zone)
        return;
    snprintf(path, sizeof path, ZONES "%s", zone);
    snprintf(why, sizeof why, "unknown time zone %s", zone);
    bool known = *zone && !strstr(zone, "..") && access(path, R_OK) == 0;
    if (!known && (!*zone || strstr(zone, "..") || access(ZONES "UTC", R_OK) == 0))
        check_add_invalid(c, s, why); /* where no zones are installed, none is refused */
}

const struct rule cronjob_rules[] = {
    {"metadata.name", check_cron_name},
    {"spec.timeZone", check_zone},
    {"spec.schedule", check_schedule},
    {"spec.startingDeadlineSeconds", check_min},
    {"spec.concurrencyPolicy", check_enum_needed, "Allow|Forbid|Replace"},
    {"spec.successfulJobsHistoryLimit", check_min},
    {"spec.failedJobsHistoryLimit", check_min},
    {"spec.jobTemplate.spec", check_rules, .rules = job_spec_rules},
    {NULL},
};
