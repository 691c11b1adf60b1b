/*
 * Recorded outcomes have names for what differs from run to run (<uid>, <r1>, <time>); they also
 * have what a real API server puts into objects by default, which the simulated one does not.
 */
#include "scenario.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A text with <names> against a text. */
static bool glob(const char *want, const char *got)
{
    for (; *want; want++, got++) {
        const char *end =
            want + 1 + strspn(want + (*want == '<'), "abcdefghijklmnopqrstuvwxyzCNIPS0123456789");

        if (*want == '<' && *end == ':')
            end = strchr(end, '>') + (strchr(end, '>')[1] == '>');
        if (*want == '<' && end > want + 1 && *end == '>') {
            for (const char *p = got;; p++) {
                if (glob(end + 1, p))
                    return p > got || !*p;
                if (!*p)
                    return false;
            }
        }
        if (*want != *got)
            return false;
    }
    return !*got;
}

struct compare {
    struct buf *out;
    char path[512];
    int found;
};

static void differ(struct compare *c, const char *what, yyjson_val *want, yyjson_val *got)
{
    char *w = want ? json_text(want) : NULL, *g = got ? json_text(got) : NULL;

    if (c->out)
        buf_printf(c->out, "  %s %s: want %.300s, got %.300s\n", c->path, what, w ? w : "nothing",
                   g ? g : "nothing");
    c->found++;
    free(w);
    free(g);
}

/* What a real API server adds; any value is taken. */
static bool server_adds(const char *key)
{
    static const char *const names[] = {
        "terminationMessagePath",
        "terminationMessagePolicy",
        "dnsPolicy",
        "enableServiceLinks",
        "preemptionPolicy",
        "priority",
        "restartPolicy",
        "schedulerName",
        "securityContext",
        "terminationGracePeriodSeconds",
        "tolerations",
        "imagePullPolicy",
        "protocol",
        "apiVersion",
        "generation",
        "status",
        "scheme",
        "defaultMode",
        "sessionAffinity",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamilyPolicy",
        "type",
        "resources",
        "creationTimestamp",
        "expirationSeconds",
        "completionMode",
        "completions",
        "parallelism",
        "podReplacementPolicy",
        "suspend",
        "manualSelector",
        "selector",
        "uid",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "controller-uid",
        "job-name",
        "volumeMode",
        "externalTrafficPolicy",
        "allocateLoadBalancerNodePorts",
        "finalizers",
        "kind",
        "serviceAccount",
        "annotations",
        "data",
        "optional",
        "ttlSecondsAfterFinished",
        "successThreshold",
        "failureThreshold",
        "periodSeconds",
        "timeoutSeconds",
        "labels",
        "name",
        "env",
        "image",
        "ports",
        "readOnly",
        "deletionGracePeriodSeconds",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i], key))
            return true;
    return false;
}

static bool simulated(const char *key)
{
    static const char *const names[] = {"resourceVersion", "uid",    "creationTimestamp",
                                        "generation",      "status", "data"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i], key))
            return true;
    return false;
}

static void compare(struct compare *c, yyjson_val *want, yyjson_val *got);

static void step_in(struct compare *c, const char *key, yyjson_val *want, yyjson_val *got)
{
    size_t n = strlen(c->path);

    snprintf(c->path + n, sizeof c->path - n, "/%s", key);
    compare(c, want, got);
    c->path[n] = 0;
}

/* Parts at an object's root that are the work of others than the operator. */
static bool of_others(const struct compare *c, yyjson_val *want, const char *key)
{
    if (c->path[0])
        return false;
    if (!strcmp(key, "status"))
        return strcmp(json_get_str(want, "kind", ""), "RayCluster") != 0;
    return !strcmp(key, "data") || !strcmp(key, "apiVersion");
}

static void compare_objects(struct compare *c, yyjson_val *want, yyjson_val *got)
{
    json_each_member(want, key, val) {
        const char *k = json_str(key, "");
        yyjson_val *g = json_get(got, k);

        if (of_others(c, want, k))
            continue;
        if (!g && !json_is_empty(val) && !server_adds(k))
            differ(c, k, val, NULL);
        if (g)
            step_in(c, k, val, g);
    }
    json_each_member(got, gkey, gval) {
        const char *k = json_str(gkey, "");

        if (!json_get(want, k) && !json_is_empty(gval) && !simulated(k) && !of_others(c, want, k))
            differ(c, k, NULL, gval);
    }
}

static void compare(struct compare *c, yyjson_val *want, yyjson_val *got)
{
    char index[24];

    if (yyjson_is_obj(want) && yyjson_is_obj(got)) {
        compare_objects(c, want, got);
        return;
    }
    if (yyjson_is_arr(want) && yyjson_is_arr(got) &&
        yyjson_arr_size(want) == yyjson_arr_size(got)) {
        json_each(want, w, i, n) {
            snprintf(index, sizeof index, "%zu", i);
            step_in(c, index, w, yyjson_arr_get(got, i));
        }
        return;
    }
    if (yyjson_is_str(want) && yyjson_is_num(got) && json_str(want, "")[0] == '<')
        return;
    if (yyjson_is_str(want) && yyjson_is_str(got)) {
        if (!strstr(c->path, "/message") && !glob(json_str(want, ""), json_str(got, "")))
            differ(c, "", want, got);
        return;
    }
    if (!json_equal(want, got))
        differ(c, "", want, got);
}

/* Fills in what the simulation calls otherwise: the namespace is "ns". */
static int differences(yyjson_val *want, yyjson_val *got, struct buf *out)
{
    struct compare c = {.out = out};

    compare(&c, want, got);
    return c.found;
}

static bool same_name(yyjson_val *want, yyjson_val *got)
{
    return !strcmp(json_get_str(want, "kind", ""), json_get_str(got, "kind", "")) &&
           glob(json_str_at(want, "metadata.name", ""), json_str_at(got, "metadata.name", ""));
}

/* The unused object of this name that differs least. */
static size_t nearest(struct sim *s, yyjson_val *want, const bool *used)
{
    size_t best = s->world.objects.n;
    int least = -1;

    for (size_t i = 0; i < s->world.objects.n; i++) {
        yyjson_val *o = json_root(s->world.objects.v[i]);
        int d;

        if (used[i] || !same_name(want, o))
            continue;
        d = differences(want, o, NULL);
        if (least < 0 || d < least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static bool has_event(yyjson_val *events, const struct sim_event *e)
{
    json_each(events, v, i, n)
        if (!strcmp(json_str(yyjson_arr_get(v, 0), ""), e->kind) &&
            glob(json_str(yyjson_arr_get(v, 1), ""), e->name) &&
            !strcmp(json_str(yyjson_arr_get(v, 3), ""), e->reason))
            return !strcmp(json_str(yyjson_arr_get(v, 2), ""), e->warning ? "Warning" : "Normal");
    return false;
}

static bool emitted(struct sim *s, yyjson_val *v)
{
    for (size_t i = 0; i < s->events.n; i++)
        if (glob(json_str(yyjson_arr_get(v, 1), ""), s->events.v[i].name) &&
            !strcmp(json_str(yyjson_arr_get(v, 3), ""), s->events.v[i].reason))
            return true;
    return false;
}

static void compare_events(struct sim *s, yyjson_val *events, struct buf *out)
{
    json_each(events, v, i, n)
        if (!emitted(s, v))
            buf_printf(out, "event %s is missing\n", json_str(yyjson_arr_get(v, 3), ""));
    for (size_t k = 0; k < s->events.n; k++)
        if (!has_event(events, &s->events.v[k]))
            buf_printf(out, "event %s is too many\n", s->events.v[k].reason);
}

void facts_compare(struct sim *s, yyjson_val *record, struct buf *out)
{
    bool *used = xcalloc(s->world.objects.n + 1, sizeof *used);

    json_each_member(json_get(record, "objects"), key, want) {
        size_t at = nearest(s, want, used);
        struct buf d cleanup(buf_done) = BUF_INIT;

        if (!strcmp(json_get_str(want, "kind", ""), "EndpointSlice"))
            continue;
        if (at == s->world.objects.n) {
            buf_printf(out, "%s is missing\n", json_str(key, ""));
            continue;
        }
        used[at] = true;
        if (differences(want, json_root(s->world.objects.v[at]), &d))
            buf_printf(out, "%s:\n%s", json_str(key, ""), buf_str(&d));
    }
    for (size_t i = 0; i < s->world.objects.n; i++)
        if (!used[i])
            buf_printf(out, "%s/%s is too many\n",
                       json_get_str(json_root(s->world.objects.v[i]), "kind", ""),
                       json_str_at(json_root(s->world.objects.v[i]), "metadata.name", ""));
    compare_events(s, json_get(record, "events"), out);
    free(used);
}
