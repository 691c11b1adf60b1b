/* k8s.io/kubernetes pkg/apis/core/validation: what few pods have. Rows of rules_pod.c name these.
 */
#include "apiserver/kinds/rules_pod.h"

#include "base/names.h"

#include <ctype.h>
#include <stdio.h>

/* ---- of a container ---- */

/* Kubernetes leaves the number of the mount out of these, but not of the last. */
void check_mount_rare(struct check *c, const struct rule *r, const struct site *s)
{
    bool privileged = json_bool_at(s->parent, "securityContext.privileged", false);

    (void)r;
    json_each(s->v, m, i, n) {
        const char *readonly = json_get_str(m, "recursiveReadOnly", "");

        if (!strcmp(json_get_str(m, "mountPropagation", ""), "Bidirectional") && !privileged)
            field_forbidden(
                c->errs, check_at(c, s->path, ".mountPropagation"),
                "Bidirectional mount propagation is available only to privileged containers");
        if (str_in(readonly, "Enabled|IfPossible") && !json_bool_at(m, "readOnly", false))
            field_forbidden(c->errs, check_at(c, s->path, ".recursiveReadOnly"),
                            "may only be specified when readOnly is true");
        if (*json_get_str(m, "subPathExpr", "") && *json_get_str(m, "subPath", ""))
            field_invalid(c->errs, check_at(c, s->path, "[%zu].subPathExpr", i),
                          json_get(m, "subPathExpr"),
                          "subPathExpr and subPath are mutually exclusive");
    }
}

void check_claims(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, claim, i, n) {
        bool found = false;

        json_each(json_at(c->root, "spec.resourceClaims"), known, k, kn)
            found |= json_equal(json_get(known, "name"), json_get(claim, "name"));
        if (!found)
            field_not_found(c->errs, check_at(c, s->path, "[%zu]", i), json_get(claim, "name"));
    }
}

void check_seccomp_type(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const types[] = {"Localhost", "RuntimeDefault", "Unconfined"};

    (void)r;
    if (s->v && !str_in(json_str(s->v, ""), "Localhost|RuntimeDefault|Unconfined"))
        field_not_supported(c->errs, s->path, s->v, types, ARRAY_SIZE(types));
}

void check_proc_mount(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!strcmp(json_str(s->v, ""), "Unmasked") && json_bool_at(c->root, "spec.hostUsers", true))
        check_add_invalid(c, s, "`hostUsers` must be false to use `Unmasked`");
}

/* ---- of a pod ---- */

void check_gates(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *gates = json_get(s->v, "schedulingGates");

    (void)r;
    if (yyjson_arr_size(gates) && *json_get_str(s->v, "nodeName", "") && !c->old_root)
        field_forbidden(c->errs, check_at(c, s->path, ".nodeName"),
                        "cannot be set until all schedulingGates have been cleared");
    json_each(gates, gate, i, n)
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_get(gate, "name"), json_get(yyjson_arr_get(gates, k), "name"))) {
                field_duplicate(c->errs, check_at(c, s->path, ".schedulingGates[%zu]", i),
                                json_get(gate, "name"));
                break;
            }
}

void check_host_users(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const host[] = {"hostNetwork", "hostPID", "hostIPC"};

    (void)r;
    if (json_bool_at(s->v, "hostUsers", true))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(host); i++)
        if (json_bool_at(s->v, host[i], false))
            field_forbidden(c->errs, check_at(c, s->path, ".%s", host[i]),
                            "when `hostUsers` is false");
}

/* What only Linux knows. */
void check_windows(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const linux_only[] = {"seLinuxOptions",      "seccompProfile",
                                             "appArmorProfile",     "fsGroup",
                                             "fsGroupChangePolicy", "sysctls",
                                             "runAsUser",           "runAsGroup",
                                             "supplementalGroups",  "supplementalGroupsPolicy"};
    yyjson_val *context = json_get(s->v, "securityContext");

    (void)r;
    if (strcmp(json_str_at(s->v, "os.name", ""), "windows"))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(linux_only); i++)
        if (json_get(context, linux_only[i]))
            field_forbidden(c->errs, check_at(c, s->path, ".securityContext.%s", linux_only[i]),
                            "cannot be set for a windows pod");
}

void check_spreads(struct check *c, const struct rule *r, const struct site *s)
{
    char pair[300];

    (void)r;
    json_each(s->v, t, i, n) {
        const char *key = json_get_str(t, "topologyKey", ""),
                   *when = json_get_str(t, "whenUnsatisfiable", "");

        if (json_get(t, "minDomains") && strcmp(when, "DoNotSchedule")) {
            snprintf(pair, sizeof pair,
                     "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not %s", when);
            field_invalid(c->errs, check_at(c, s->path, "[%zu].minDomains", i),
                          json_get(t, "minDomains"), pair);
        }
        for (size_t k = i + 1; k < n; k++) {
            yyjson_val *other = yyjson_arr_get(s->v, k);
            if (!json_equal(json_get(t, "topologyKey"), json_get(other, "topologyKey")) ||
                !json_equal(json_get(t, "whenUnsatisfiable"), json_get(other, "whenUnsatisfiable")))
                continue;
            snprintf(pair, sizeof pair, "Duplicate value: \"{%s, %s}\"", key, when);
            field_error_add(c->errs, FIELD_DUPLICATE,
                            check_at(c, s->path, "[%zu].{topologyKey, whenUnsatisfiable}", i),
                            pair);
            break;
        }
    }
}

void check_nameservers(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_arr_size(s->v) > 3)
        check_add_invalid(c, s, "must not have more than 3 nameservers");
}

/* A domain that is searched: underscores may be in it, and a dot at its end. */
void check_search(struct check *c, const struct rule *r, const struct site *s)
{
    char plain[256];
    size_t n = 0;

    (void)r;
    for (const char *p = json_str(s->v, ""); *p && n + 1 < sizeof plain; p++)
        plain[n++] = *p == '_' ? 'a' : *p;
    plain[n] = 0;
    if (n > 1 && plain[n - 1] == '.')
        plain[n - 1] = 0;
    const char *why = name_dns1123_subdomain(slice_of(plain));
    if (why)
        check_add_invalid(c, s, why);
}

void check_sysctl_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_str(s->v, "");
    bool good = *name && strlen(name) <= 253;

    (void)r;
    for (const char *p = name; *p && good; p++)
        good = islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
               (p > name && p[1] && strchr("-_./", *p));
    if (!good)
        check_add_invalid(
            c, s,
            "must have at most 253 characters and match regex "
            "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
}

void check_match_field(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (strcmp(json_str(s->v, ""), "metadata.name"))
        check_add_invalid(c, s, "not a valid field selector key");
}

/* Two sources of a projected volume may not write one file. */
void check_projected_paths(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *seen[64];
    size_t n_seen = 0;

    (void)r;
    json_each(json_get(s->v, "sources"), source, i, n) {
        json_each_member(source, key, val) {
            (void)key;
            json_each(json_get(val, "items"), item, k, kn) {
                for (size_t j = 0; j < n_seen; j++)
                    if (json_equal(seen[j], json_get(item, "path")))
                        field_invalid(c->errs, s->path, json_get(val, "name"),
                                      "conflicting duplicate paths");
                if (n_seen < ARRAY_SIZE(seen))
                    seen[n_seen++] = json_get(item, "path");
            }
        }
    }
}
