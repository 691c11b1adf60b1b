/* Cells of single kinds other than pods, by the rules of Kubernetes' internal printers. */
#include "apiserver/tables/cells.h"

#include "base/timefmt.h"

#include <stdio.h>

static const char *str(const struct cell *cell, const char *path)
{
    return json_str_at(cell->obj, path, "");
}

static yyjson_val *condition(yyjson_val *obj, const char *type)
{
    json_each(json_at(obj, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), type))
            return c;
    return NULL;
}

static bool condition_is(yyjson_val *obj, const char *type, const char *status)
{
    return !strcmp(json_get_str(condition(obj, type), "status", ""), status);
}

static yyjson_mut_val *cell_buf(const struct cell *cell, struct buf *b, const char *absent)
{
    return cell_str(cell, b->len ? b->data : absent);
}

CELL(cell_data_count)
{
    (void)column;
    size_t n = yyjson_obj_size(json_get(cell->obj, "data")) +
               yyjson_obj_size(json_get(cell->obj, "binaryData"));
    return yyjson_mut_sint(cell->doc, (int64_t)n);
}

/* Services */

static void add_ingress(struct buf *b, yyjson_val *ingress)
{
    json_each(ingress, i, k, n) {
        const char *ip = json_get_str(i, "ip", "");
        buf_printf(b, "%s%s", b->len ? "," : "", *ip ? ip : json_get_str(i, "hostname", ""));
    }
}

static void add_strings(struct buf *b, yyjson_val *arr, const char *sep)
{
    json_each(arr, v, i, n)
        buf_printf(b, "%s%s", b->len ? sep : "", json_str(v, ""));
}

CELL(cell_service_external)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *type = str(cell, "spec.type");
    bool balanced = !strcmp(type, "LoadBalancer");

    (void)column;
    if (!strcmp(type, "ExternalName"))
        return cell_str(cell, str(cell, "spec.externalName"));
    if (balanced)
        add_ingress(&b, json_at(cell->obj, "status.loadBalancer.ingress"));
    add_strings(&b, json_at(cell->obj, "spec.externalIPs"), ",");
    return cell_buf(cell, &b, balanced ? "<pending>" : "<none>");
}

CELL(cell_service_ports)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    (void)column;
    json_each(json_at(cell->obj, "spec.ports"), p, i, n) {
        long long node = json_int_at(p, "nodePort", 0);
        buf_printf(&b, "%s%lld", i ? "," : "", (long long)json_int_at(p, "port", 0));
        if (node)
            buf_printf(&b, ":%lld", node);
        buf_printf(&b, "/%s", json_get_str(p, "protocol", "TCP"));
    }
    return cell_buf(cell, &b, "<none>");
}

CELL(cell_load_balancer)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    add_ingress(&b, json_at(cell->obj, column->path));
    if (b.len > 16) { /* as kubectl's plain output cuts it */
        b.len = 13;
        buf_adds(&b, "...");
    }
    return cell_buf(cell, &b, column->absent);
}

/* Jobs */

CELL(cell_job_status)
{
    static const char *const words[] = {"Complete", "Failed"};
    static const char *const later[][2] = {{"Suspended", "Suspended"},
                                           {"FailureTarget", "FailureTarget"},
                                           {"SuccessCriteriaMet", "SuccessCriteriaMet"}};

    (void)column;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (condition_is(cell->obj, words[i], "True"))
            return cell_str(cell, words[i]);
    if (json_at(cell->obj, "metadata.deletionTimestamp"))
        return cell_str(cell, "Terminating");
    for (size_t i = 0; i < ARRAY_SIZE(later); i++)
        if (condition_is(cell->obj, later[i][0], "True"))
            return cell_str(cell, later[i][1]);
    return cell_str(cell, "Running");
}

CELL(cell_job_completions)
{
    char text[80];
    long long done = json_int_at(cell->obj, "status.succeeded", 0);
    long long parallel = json_int_at(cell->obj, "spec.parallelism", 0);

    (void)column;
    if (json_at(cell->obj, "spec.completions"))
        snprintf(text, sizeof text, "%lld/%lld", done,
                 (long long)json_int_at(cell->obj, "spec.completions", 0));
    else if (parallel > 1)
        snprintf(text, sizeof text, "%lld/1 of %lld", done, parallel);
    else
        snprintf(text, sizeof text, "%lld/1", done);
    return cell_str(cell, text);
}

CELL(cell_job_duration)
{
    int64_t from, to = cell->now_ns;
    char age[TABLE_AGE];
    yyjson_val *failed = condition(cell->obj, "Failed");

    (void)column;
    if (!time_parse(slice_of(str(cell, "status.startTime")), &from))
        return cell_str(cell, "");
    if (!time_parse(slice_of(str(cell, "status.completionTime")), &to) && failed)
        time_parse(slice_of(json_get_str(failed, "lastTransitionTime", "")), &to);
    return cell_str(cell, human_duration(to - from, age));
}

/* Nodes */

CELL(cell_node_status)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *ready = condition(cell->obj, "Ready");

    (void)column;
    if (!ready)
        buf_adds(&b, "Unknown");
    else
        buf_adds(&b, condition_is(cell->obj, "Ready", "True") ? "Ready" : "NotReady");
    if (json_bool_at(cell->obj, "spec.unschedulable", false))
        buf_adds(&b, ",SchedulingDisabled");
    return cell_str(cell, b.data);
}

static int str_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

CELL(cell_node_roles)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *roles[16];
    size_t n = 0;

    (void)column;
    json_each_member(json_at(cell->obj, "metadata.labels"), key, val) {
        const char *k = yyjson_get_str(key), *role = NULL;
        if (!strncmp(k, prefix, sizeof prefix - 1))
            role = k + sizeof prefix - 1;
        else if (!strcmp(k, "kubernetes.io/role"))
            role = json_str(val, "");
        if (role && *role && n < ARRAY_SIZE(roles))
            roles[n++] = role;
    }
    qsort(roles, n, sizeof *roles, str_order);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", roles[i]);
    return cell_buf(cell, &b, "<none>");
}

CELL(cell_node_address)
{
    json_each(json_at(cell->obj, "status.addresses"), a, i, n)
        if (!strcmp(json_get_str(a, "type", ""), column->path))
            return cell_str(cell, json_get_str(a, "address", ""));
    return cell_str(cell, column->absent);
}

/* Events: the core group's names first, events.k8s.io's second */

static yyjson_val *either(const struct cell *cell, const char *core, const char *other)
{
    yyjson_val *v = json_at(cell->obj, core);
    return v && !yyjson_is_null(v) ? v : json_at(cell->obj, other);
}

static yyjson_val *event_first(const struct cell *cell)
{
    yyjson_val *v = either(cell, "firstTimestamp", "deprecatedFirstTimestamp");
    return v && !yyjson_is_null(v) ? v : json_get(cell->obj, "eventTime");
}

static yyjson_val *event_last(const struct cell *cell)
{
    yyjson_val *v = json_at(cell->obj, "series.lastObservedTime");

    if (!v)
        v = either(cell, "lastTimestamp", "deprecatedLastTimestamp");
    return v && !yyjson_is_null(v) ? v : event_first(cell);
}

CELL(cell_event_last)
{
    char age[TABLE_AGE];

    (void)column;
    return cell_str(cell, human_since(event_last(cell), cell->now_ns, age));
}

CELL(cell_event_first)
{
    char age[TABLE_AGE];

    (void)column;
    return cell_str(cell, human_since(event_first(cell), cell->now_ns, age));
}

CELL(cell_event_object)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *o = either(cell, "involvedObject", "regarding");
    const char *name = json_get_str(o, "name", "");

    (void)column;
    for (const char *k = json_get_str(o, "kind", ""); *k; k++)
        buf_addc(&b, *k >= 'A' && *k <= 'Z' ? (char)(*k + 32) : *k);
    if (*name)
        buf_printf(&b, "/%s", name);
    return cell_buf(cell, &b, "");
}

CELL(cell_event_field)
{
    (void)column;
    return cell_str(cell,
                    json_get_str(either(cell, "involvedObject", "regarding"), "fieldPath", ""));
}

CELL(cell_event_source)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *source = either(cell, "source", "deprecatedSource");
    const char *component = json_get_str(source, "component", "");
    const char *host = json_get_str(source, "host", "");

    (void)column;
    if (!*component) {
        component = json_str(either(cell, "reportingComponent", "reportingController"), "");
        host = str(cell, "reportingInstance");
    }
    buf_adds(&b, component);
    if (*host)
        buf_printf(&b, ", %s", host);
    return cell_buf(cell, &b, "");
}

CELL(cell_event_count)
{
    yyjson_val *n = json_at(cell->obj, "series.count");

    (void)column;
    if (!n)
        n = either(cell, "count", "deprecatedCount");
    return yyjson_mut_sint(cell->doc, yyjson_get_sint(n));
}

/* Endpoints: at most three, then how many more */

#define SHOWN 3

struct shown {
    struct buf b;
    size_t n;
};

static void shown_add(struct shown *s, const char *ip, long long port)
{
    if (s->n++ >= SHOWN)
        return;
    buf_adds(&s->b, s->b.len ? "," : "");
    if (port && strchr(ip, ':'))
        buf_printf(&s->b, "[%s]:%lld", ip, port);
    else if (port)
        buf_printf(&s->b, "%s:%lld", ip, port);
    else
        buf_adds(&s->b, ip);
}

static yyjson_mut_val *shown_cell(const struct cell *cell, struct shown *s, const char *absent)
{
    if (s->n > SHOWN)
        buf_printf(&s->b, " + %zu more...", s->n - SHOWN);
    yyjson_mut_val *v = cell_buf(cell, &s->b, absent);
    buf_done(&s->b);
    return v;
}

CELL(cell_endpoints)
{
    struct shown s = {0};

    (void)column;
    json_each(json_get(cell->obj, "subsets"), set, i, n) {
        yyjson_val *ports = json_get(set, "ports");
        json_each(json_get(set, "addresses"), a, k, kn) {
            const char *ip = json_get_str(a, "ip", "");
            if (!yyjson_arr_size(ports))
                shown_add(&s, ip, 0);
            json_each(ports, p, j, jn)
                shown_add(&s, ip, json_int_at(p, "port", 0));
        }
    }
    return shown_cell(cell, &s, "<none>");
}

CELL(cell_slice_ports)
{
    struct shown s = {0};

    (void)column;
    json_each(json_get(cell->obj, "ports"), p, i, n) {
        char text[24];
        yyjson_val *port = json_get(p, "port");
        snprintf(text, sizeof text, "%lld", (long long)yyjson_get_sint(port));
        shown_add(&s, port ? text : "*", 0);
    }
    return shown_cell(cell, &s, "<unset>");
}

CELL(cell_slice_endpoints)
{
    struct shown s = {0};

    (void)column;
    json_each(json_get(cell->obj, "endpoints"), e, i, n)
        json_each(json_get(e, "addresses"), a, k, kn)
            shown_add(&s, json_str(a, ""), 0);
    return shown_cell(cell, &s, "<unset>");
}

/* Storage */

CELL(cell_access_modes)
{
    static const char *const modes[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
        json_each(json_at(cell->obj, column->path), v, i, n)
            if (!strcmp(json_str(v, ""), modes[m][0]))
                buf_printf(&b, "%s%s", b.len ? "," : "", modes[m][1]);
    return cell_buf(cell, &b, column->absent);
}

CELL(cell_claim_phase)
{
    (void)column;
    if (json_at(cell->obj, "metadata.deletionTimestamp"))
        return cell_str(cell, "Terminating");
    return cell_str(cell, str(cell, "status.phase"));
}

CELL(cell_claim_capacity)
{
    (void)column;
    return cell_str(cell,
                    *str(cell, "spec.volumeName") ? str(cell, "status.capacity.storage") : "");
}

CELL(cell_volume_claim)
{
    char text[600];

    (void)column;
    if (!json_at(cell->obj, "spec.claimRef"))
        return cell_str(cell, "");
    snprintf(text, sizeof text, "%s/%s", str(cell, "spec.claimRef.namespace"),
             str(cell, "spec.claimRef.name"));
    return cell_str(cell, text);
}

CELL(cell_storage_class_name)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *notes = json_at(cell->obj, "metadata.annotations");

    (void)column;
    buf_adds(&b, str(cell, "metadata.name"));
    if (!strcmp(json_get_str(notes, "storageclass.kubernetes.io/is-default-class", ""), "true"))
        buf_adds(&b, " (default)");
    return cell_str(cell, b.data);
}

/* "requests.cpu: 1/4, pods: 0/10": used and hard, sorted; limits.* in a column of their own. */
CELL(cell_quota)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *hard = json_at(cell->obj, "status.hard");
    bool limits = !strcmp(column->path, "limits");
    const char *names[128];
    size_t n = 0;

    json_each_member(hard, key, val)
        if (val && !strncmp(yyjson_get_str(key), "limits.", 7) == limits && n < ARRAY_SIZE(names))
            names[n++] = yyjson_get_str(key);
    qsort(names, n, sizeof *names, str_order);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s: %s/%s", i ? ", " : "", names[i],
                   json_get_str(json_at(cell->obj, "status.used"), names[i], "0"),
                   json_get_str(hard, names[i], ""));
    return cell_buf(cell, &b, "");
}

/* Network */

CELL(cell_ingress_hosts)
{
    struct shown s = {0};

    (void)column;
    json_each(json_at(cell->obj, "spec.rules"), r, i, n) {
        const char *host = json_get_str(r, "host", "");
        if (*host)
            shown_add(&s, host, 0);
    }
    return shown_cell(cell, &s, "*");
}

CELL(cell_ingress_ports)
{
    (void)column;
    return cell_str(cell, yyjson_arr_size(json_at(cell->obj, "spec.tls")) ? "80, 443" : "80");
}

/* References */

/* KIND.GROUP/NAMESPACE/NAME, without what is absent. */
CELL(cell_object_ref)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *ref = json_at(cell->obj, column->path);
    const char *group = json_get_str(ref, "apiGroup", json_get_str(ref, "group", ""));
    const char *ns = json_get_str(ref, "namespace", "");

    if (!ref)
        return cell_str(cell, column->absent);
    buf_adds(&b, json_get_str(ref, "kind", json_get_str(ref, "resource", "")));
    if (*group)
        buf_printf(&b, ".%s", group);
    if (*ns)
        buf_printf(&b, "/%s", ns);
    buf_printf(&b, "/%s", json_get_str(ref, "name", ""));
    return cell_str(cell, b.data);
}

CELL(cell_owner)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each(json_at(cell->obj, "metadata.ownerReferences"), o, i, n) {
        const char *version = json_get_str(o, "apiVersion", ""), *slash = strchr(version, '/');
        if (!json_bool_at(o, "controller", false))
            continue;
        for (const char *k = json_get_str(o, "kind", ""); *k; k++)
            buf_addc(&b, *k >= 'A' && *k <= 'Z' ? (char)(*k + 32) : *k);
        if (slash)
            buf_printf(&b, ".%.*s", (int)(slash - version), version);
        buf_printf(&b, "/%s", json_get_str(o, "name", ""));
    }
    return cell_buf(cell, &b, column->absent);
}

CELL(cell_role_ref)
{
    char text[600];

    (void)column;
    snprintf(text, sizeof text, "%s/%s", str(cell, "roleRef.kind"), str(cell, "roleRef.name"));
    return cell_str(cell, text);
}

CELL(cell_subjects)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each(json_get(cell->obj, "subjects"), s, i, n) {
        if (strcmp(json_get_str(s, "kind", ""), column->path))
            continue;
        buf_adds(&b, b.len ? ", " : "");
        if (!strcmp(column->path, "ServiceAccount"))
            buf_printf(&b, "%s/", json_get_str(s, "namespace", ""));
        buf_adds(&b, json_get_str(s, "name", ""));
    }
    return cell_buf(cell, &b, "");
}

CELL(cell_api_service)
{
    char text[600];

    (void)column;
    if (!json_at(cell->obj, "spec.service"))
        return cell_str(cell, "Local");
    snprintf(text, sizeof text, "%s/%s", str(cell, "spec.service.namespace"),
             str(cell, "spec.service.name"));
    return cell_str(cell, text);
}

CELL(cell_api_available)
{
    yyjson_val *c = condition(cell->obj, "Available");
    struct buf b cleanup(buf_done) = BUF_INIT;

    (void)column;
    buf_adds(&b, json_get_str(c, "status", "Unknown"));
    if (c && strcmp(b.data, "True"))
        buf_printf(&b, " (%s)", json_get_str(c, "reason", ""));
    return cell_str(cell, b.data);
}

CELL(cell_csr_condition)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    (void)column;
    json_each(json_at(cell->obj, "status.conditions"), c, i, n)
        buf_printf(&b, "%s%s", i ? "," : "", json_get_str(c, "type", ""));
    if (!b.len)
        buf_adds(&b, "Pending");
    if (*str(cell, "status.certificate"))
        buf_adds(&b, ",Issued");
    return cell_str(cell, b.data);
}

/* Both versions of autoscaling: a list of metrics, or the CPU's target alone. */
CELL(cell_hpa_targets)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each(json_at(cell->obj, "spec.metrics"), m, i, n) {
        const char *name = json_str_at(m, "resource.name", "");
        yyjson_val *target = json_at(m, "resource.target");
        yyjson_val *now = json_at(yyjson_arr_get(json_at(cell->obj, "status.currentMetrics"), i),
                                  "resource.current.averageUtilization");
        buf_printf(&b, "%s%s: ", i ? ", " : "", name);
        if (now)
            buf_printf(&b, "%lld%%/", (long long)yyjson_get_sint(now));
        else
            buf_adds(&b, "<unknown>/");
        if (json_get(target, "averageUtilization"))
            buf_printf(&b, "%lld%%", (long long)json_int_at(target, "averageUtilization", 0));
        else
            buf_adds(&b, json_get_str(target, "averageValue", "<auto>"));
    }
    yyjson_val *cpu = json_at(cell->obj, "spec.targetCPUUtilizationPercentage");
    if (cpu)
        buf_printf(&b, "cpu: <unknown>/%lld%%", (long long)yyjson_get_sint(cpu));
    return cell_buf(cell, &b, column->absent);
}
