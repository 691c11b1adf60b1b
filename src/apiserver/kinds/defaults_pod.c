/* Defaults of pods and of everything that has a pod template (k8s.io/kubernetes
 * pkg/apis/core/v1/defaults.go). */
#include "apiserver/kinds/defaults.h"

#include "base/slice.h"

/* An image without a tag, or with :latest, is pulled always; a digest never changes. */
static void pull_policy(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    const char *image = json_mut_str_at(at, "image", ""), *slash = strrchr(image, '/');
    const char *tag = strrchr(slash ? slash : image, ':');
    bool fixed = strchr(image, '@') || (tag && strcmp(tag, ":latest"));

    (void)ch;
    if (!*json_mut_str_at(at, "imagePullPolicy", ""))
        json_put_str(doc, at, "imagePullPolicy", fixed ? "IfNotPresent" : "Always");
}

/* What is limited is requested, unless a request says otherwise. */
static void requests_from_limits(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    yyjson_mut_val *limits = json_mut_at(at, "resources.limits");
    size_t i, n;
    yyjson_mut_val *key, *val;

    (void)ch;
    if (!yyjson_mut_obj_size(limits))
        return;
    yyjson_mut_val *requests = json_ensure(doc, at, "resources.requests");
    yyjson_mut_obj_foreach(limits, i, n, key,
                           val) if (!json_mut_get(requests, yyjson_mut_get_str(key)))
        json_put(doc, requests, yyjson_mut_get_str(key), json_dup(doc, val));
}

static void host_ports(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *list)
{
    size_t i, n, k, kn;
    yyjson_mut_val *container, *port;

    yyjson_mut_arr_foreach(json_mut_get(spec, list), i, n, container)
        yyjson_mut_arr_foreach(json_mut_get(container, "ports"), k, kn, port)
            if (!yyjson_mut_get_sint(json_mut_get(port, "hostPort")))
                json_put_int(doc, port, "hostPort",
                             yyjson_mut_get_sint(json_mut_get(port, "containerPort")));
}

static void host_network(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (!yyjson_mut_get_bool(json_mut_get(at, "hostNetwork")))
        return;
    host_ports(doc, at, "containers");
    host_ports(doc, at, "initContainers");
}

/* A volume that names no source is an emptyDir. */
static void volume_source(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (yyjson_mut_obj_size(at) == 1 && json_mut_get(at, "name"))
        json_put_obj(doc, at, "emptyDir");
}

static const struct kind_defaults http_get[] = {
    {"httpGet.path", "\"/\""}, {"httpGet.scheme", "\"HTTP\""}, {NULL}};

static const struct kind_defaults probe[] = {
    {"", .table = http_get},
    {"grpc.service", "\"\""},
    {"timeoutSeconds", "1", .zero = true},
    {"periodSeconds", "10", .zero = true},
    {"successThreshold", "1", .zero = true},
    {"failureThreshold", "3", .zero = true},
    {NULL},
};

static const struct kind_defaults field_ref[] = {
    {"fieldRef.apiVersion", "\"v1\""}, {"resourceFieldRef.divisor", "\"0\""}, {NULL}};

static const struct kind_defaults container[] = {
    {"ports[].protocol", "\"TCP\""},
    {"env[].valueFrom", .table = field_ref},
    {"+resources", "{}"},
    {"livenessProbe", .table = probe},
    {"readinessProbe", .table = probe},
    {"startupProbe", .table = probe},
    {"lifecycle.postStart", .table = http_get},
    {"lifecycle.preStop", .table = http_get},
    {"terminationMessagePath", "\"/dev/termination-log\""},
    {"terminationMessagePolicy", "\"File\""},
    {"", .fn = pull_policy},
    {NULL},
};

static const struct kind_defaults projected[] = {
    {"serviceAccountToken.expirationSeconds", "3600"},
    {"downwardAPI.items[]", .table = field_ref},
    {NULL},
};

static const struct kind_defaults claim_spec[] = {{"+spec.volumeMode", "\"Filesystem\""}, {NULL}};

static const struct kind_defaults volume[] = {
    {"", .fn = volume_source},
    {"secret.defaultMode", "420"},
    {"configMap.defaultMode", "420"},
    {"downwardAPI.defaultMode", "420"},
    {"downwardAPI.items[]", .table = field_ref},
    {"projected.defaultMode", "420"},
    {"projected.sources[]", .table = projected},
    {"hostPath.type", "\"\""},
    {"iscsi.iscsiInterface", "\"default\""},
    {"rbd.pool", "\"rbd\""},
    {"rbd.user", "\"admin\""},
    {"rbd.keyring", "\"/etc/ceph/keyring\""},
    {"azureDisk.cachingMode", "\"ReadWrite\""},
    {"azureDisk.kind", "\"Shared\""},
    {"azureDisk.fsType", "\"ext4\""},
    {"azureDisk.readOnly", "false"},
    {"scaleIO.fsType", "\"xfs\""},
    {"scaleIO.storageMode", "\"ThinProvisioned\""},
    {"ephemeral.volumeClaimTemplate", .table = claim_spec},
    {NULL},
};

const struct kind_defaults pod_spec_defaults[] = {
    {"volumes[]", .table = volume},
    {"initContainers[]", .table = container},
    {"containers[]", .table = container},
    {"ephemeralContainers[]", .table = container},
    {"restartPolicy", "\"Always\""},
    {"terminationGracePeriodSeconds", "30"},
    {"dnsPolicy", "\"ClusterFirst\""},
    {"securityContext", "{}"},
    {"schedulerName", "\"default-scheduler\""},
    {NULL},
};

const struct kind_defaults pod_defaults[] = {
    {"+spec", .table = pod_spec_defaults},
    {"spec", .fn = requests_from_limits},
    {"spec.containers[]", .fn = requests_from_limits},
    {"spec.initContainers[]", .fn = requests_from_limits},
    {"spec.enableServiceLinks", "true"},
    {"spec", .fn = host_network},
    {"+status.phase", "\"Pending\""},
    {NULL},
};
