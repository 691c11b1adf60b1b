#include "kube/meta.h"

#include <stdio.h>

const struct gvr gvr_pods = {"v1", "pods", "Pod", false};
const struct gvr gvr_nodes = {"v1", "nodes", "Node", true};
const struct gvr gvr_namespaces = {"v1", "namespaces", "Namespace", true};
const struct gvr gvr_services = {"v1", "services", "Service", false};
const struct gvr gvr_secrets = {"v1", "secrets", "Secret", false};
const struct gvr gvr_configmaps = {"v1", "configmaps", "ConfigMap", false};
const struct gvr gvr_serviceaccounts = {"v1", "serviceaccounts", "ServiceAccount", false};
const struct gvr gvr_core_events = {"v1", "events", "Event", false};
const struct gvr gvr_events = {"events.k8s.io/v1", "events", "Event", false};
const struct gvr gvr_leases = {"coordination.k8s.io/v1", "leases", "Lease", false};
const struct gvr gvr_jobs = {"batch/v1", "jobs", "Job", false};
const struct gvr gvr_endpointslices = {"discovery.k8s.io/v1", "endpointslices", "EndpointSlice",
                                       false};
const struct gvr gvr_crds = {"apiextensions.k8s.io/v1", "customresourcedefinitions",
                             "CustomResourceDefinition", true};
const struct gvr gvr_rayclusters = {"ray.io/v1", "rayclusters", "RayCluster", false};
const struct gvr gvr_rayjobs = {"ray.io/v1", "rayjobs", "RayJob", false};

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct buf *out, const char *s)
{
    for (; *s; s++)
        if (unreserved(*s))
            buf_addc(out, *s);
        else
            buf_printf(out, "%%%02X", (unsigned char)*s);
}

static void add_part(struct buf *out, const char *part)
{
    buf_addc(out, '/');
    add_encoded(out, part);
}

void gvr_path(struct buf *out, const struct gvr *r, const char *ns, const char *name,
              const char *subresource)
{
    buf_adds(out, strchr(r->api_version, '/') ? "/apis/" : "/api/");
    buf_adds(out, r->api_version);
    if (!r->cluster_scoped && ns && *ns) {
        buf_adds(out, "/namespaces");
        add_part(out, ns);
    }
    add_part(out, r->plural);
    if (name)
        add_part(out, name);
    if (subresource)
        add_part(out, subresource);
}

void query_add(struct buf *out, const char *key, const char *value)
{
    buf_addc(out, out->len && memchr(out->data, '?', out->len) ? '&' : '?');
    add_encoded(out, key);
    buf_addc(out, '=');
    add_encoded(out, value);
}

static yyjson_val *metadata(yyjson_val *obj)
{
    return json_get(obj, "metadata");
}

const char *meta_name(yyjson_val *obj)
{
    return json_get_str(metadata(obj), "name", "");
}

const char *meta_namespace(yyjson_val *obj)
{
    return json_get_str(metadata(obj), "namespace", "");
}

const char *meta_uid(yyjson_val *obj)
{
    return json_get_str(metadata(obj), "uid", "");
}

const char *meta_rv_text(yyjson_val *obj)
{
    return json_get_str(metadata(obj), "resourceVersion", "");
}

uint64_t meta_rv(yyjson_val *obj)
{
    return rv_parse(meta_rv_text(obj));
}

int64_t meta_generation(yyjson_val *obj)
{
    return json_int_at(metadata(obj), "generation", 0);
}

bool meta_deleting(yyjson_val *obj)
{
    return json_get_str(metadata(obj), "deletionTimestamp", NULL) != NULL;
}

const char *meta_label(yyjson_val *obj, const char *key)
{
    return json_get_str(json_get(metadata(obj), "labels"), key, NULL);
}

const char *meta_annotation(yyjson_val *obj, const char *key)
{
    return json_get_str(json_get(metadata(obj), "annotations"), key, NULL);
}

bool meta_has_finalizer(yyjson_val *obj, const char *finalizer)
{
    json_each(json_get(metadata(obj), "finalizers"), f, i, n)
        if (strcmp(json_str(f, ""), finalizer) == 0)
            return true;
    return false;
}

yyjson_val *meta_controller(yyjson_val *obj)
{
    json_each(json_get(metadata(obj), "ownerReferences"), ref, i, n)
        if (json_bool_at(ref, "controller", false))
            return ref;
    return NULL;
}

uint64_t rv_parse(const char *text)
{
    uint64_t rv = 0;

    for (const char *c = text; *c; c++)
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(rv, 10, &rv) ||
            __builtin_add_overflow(rv, (uint64_t)(*c - '0'), &rv))
            return 0;
    return rv;
}
