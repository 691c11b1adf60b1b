/* manta status: what runs in an instance. */
#include "cli/flags.h"
#include "cli/session.h"
#include "cli/verb.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char about[] =
    "Tells whether an instance is up, and what runs in it: nodes, clusters, jobs, pods.";

static const char *dash(const char *s)
{
    return *s ? s : "-";
}

static void print_cluster(yyjson_val *o)
{
    printf("  %-20s %-30s %s, %d of %d workers ready\n", meta_namespace(o), meta_name(o),
           dash(json_str_at(o, "status.state", "starting")),
           (int)json_int_at(o, "status.readyWorkerReplicas", 0),
           (int)json_int_at(o, "status.desiredWorkerReplicas", 0));
}

static void print_job(yyjson_val *o)
{
    printf("  %-20s %-30s %s, job %s\n", meta_namespace(o), meta_name(o),
           dash(json_str_at(o, "status.jobDeploymentStatus", "")),
           dash(json_str_at(o, "status.jobStatus", "")));
}

static void print_pod(yyjson_val *o)
{
    printf("  %-20s %-30s %s\n", meta_namespace(o), meta_name(o),
           json_str_at(o, "status.phase", "-"));
}

/* What holds, and what does not although a person may count on it; "no pressure" is not worth a
 * line. */
static void print_node(yyjson_val *o)
{
    json_each(json_at(o, "status.conditions"), c, i, n) {
        const char *type = json_get_str(c, "type", "");
        bool holds = strcmp(json_get_str(c, "status", ""), "True") == 0;
        if (holds || !strstr(type, "Pressure"))
            printf("  %-20s %s: %s%s\n", meta_name(o), type,
                   holds ? "" : "no: ", json_get_str(c, "message", ""));
    }
}

static const struct {
    const char *title;
    const struct gvr *gvr;
    void (*print)(yyjson_val *o);
} sections[] = {{"Node", &gvr_nodes, print_node},
                {"RayClusters", &gvr_rayclusters, print_cluster},
                {"RayJobs", &gvr_rayjobs, print_job},
                {"Pods", &gvr_pods, print_pod}};

static int print_all(struct session *s, struct err *err)
{
    printf("%s is up: %s, context %s\n", s->i.name, s->config->server, s->i.context);
    for (size_t k = 0; k < ARRAY_SIZE(sections); k++) {
        autojson struct json *list = NULL;
        int code = kube_do(s->kube, &(struct kube_call){.verb = KUBE_GET, .gvr = sections[k].gvr},
                           &list, err);
        if (code < 0)
            return code;
        yyjson_val *items = json_get(json_root(list), "items");
        if (yyjson_arr_size(items))
            printf("%s\n", sections[k].title);
        json_each(items, item, i, n)
            sections[k].print(item);
    }
    return 0;
}

int verb_status(int argc, char **argv)
{
    const char *name = "default";
    const struct flag list[] = {
        {"name", 0, FLAG_STRING, &name, "NAME", "which instance (default \"default\")"},
    };
    const struct flags flags = {"status", about, list, ARRAY_SIZE(list)};
    struct session s;
    struct err err = {0};
    int n = flags_parse(&flags, argc, argv);

    if (n < 0)
        return flags_exit(n);
    int code = session_open(&s, name, SESSION_FIND, &err);
    if (code == 0)
        code = print_all(&s, &err);
    if (code < 0)
        fprintf(stderr, "manta status: %s\n", err.msg);
    session_leave(&s, NULL, NULL);
    session_done(&s);
    return code < 0;
}
