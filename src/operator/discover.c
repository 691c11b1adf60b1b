#include "operator/discover.h"

#include <string.h>

#define WAS_PATH "/apis/scheduling.k8s.io/v1alpha2"

/* The gate SidecarSubmitterRestart needs container restart rules: Kubernetes 1.35. */
int discover_version(struct kube *k, const struct operator_options *o, struct err *err)
{
    autojson struct json *answer = NULL;
    int64_t major = 0, minor = 0;
    int code;

    if (!ray_feature(&o->ray, FEATURE_SIDECAR_RESTART))
        return 0;
    code = kube_do(k, &(struct kube_call){.verb = KUBE_GET, .path = "/version"}, &answer, err);
    if (code < 0)
        return err_wrap(err, "asking the API server for its version");
    slice_int64(slice_of(json_get_str(json_root(answer), "major", "")), &major);
    const char *text = json_get_str(json_root(answer), "minor", "");
    slice_int64((struct slice){text, strspn(text, "0123456789")}, &minor);
    if (major > 1 || minor >= 35)
        return 0;
    return err_set(err, ERR_BAD_REQUEST,
                   "the feature gate SidecarSubmitterRestart needs Kubernetes 1.35 or later");
}

static bool is_openshift(const char *group)
{
    static const char *const groups[] = {"route.openshift.io", "security.openshift.io",
                                         "config.openshift.io"};

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        if (!strcmp(group, groups[i]))
            return true;
    return false;
}

static void look_at(struct ray_options *ray, yyjson_val *group)
{
    ray->openshift |= is_openshift(json_get_str(group, "name", ""));
    json_each(json_get(group, "versions"), version, i, n)
        if (!strcmp(json_get_str(version, "groupVersion", ""), "cert-manager.io/v1"))
            ray->cert_manager = true;
}

static int check_scheduling(struct kube *k, const struct operator_options *o, struct err *err)
{
    autojson struct json *answer = NULL;
    int code;

    if (!ray_feature(&o->ray, FEATURE_KUBERNETES_WAS))
        return 0;
    code = kube_do(k, &(struct kube_call){.verb = KUBE_GET, .path = WAS_PATH}, &answer, err);
    if (code < 0)
        return err_wrap(err, "the feature gate KubernetesWAS needs the API "
                             "scheduling.k8s.io/v1alpha2");
    return 0;
}

int discover_groups(struct kube *k, struct operator_options *o, struct err *err)
{
    autojson struct json *answer = NULL;
    int code = check_scheduling(k, o, err);

    if (code < 0)
        return code;
    code = kube_do(k, &(struct kube_call){.verb = KUBE_GET, .path = "/apis"}, &answer, err);
    if (code < 0)
        return err_wrap(err, "asking the API server for its groups");
    json_each(json_get(json_root(answer), "groups"), group, i, n)
        look_at(&o->ray, group);
    return 0;
}
