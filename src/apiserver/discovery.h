/*
 * Discovery: what the server serves, said in three ways. The documents are made from the registry
 * at each request: nothing is cached, and a CRD shows as soon as it is registered.
 *
 * /api, /apis           APIVersions and APIGroupList, or, by Accept, all at once
 *                       (apidiscovery.k8s.io/v2 or v2beta1 APIGroupDiscoveryList)
 * /apis/GROUP           APIGroup
 * /api/v1, /apis/G/V    APIResourceList
 */
#ifndef MANTA_APISERVER_DISCOVERY_H
#define MANTA_APISERVER_DISCOVERY_H

#include "apiserver/resources.h"

/* The resources that share a group and version, sorted by plural. */
struct group_version {
    const char *group, *version;
    VEC(const struct resource *) resources;
};
struct group_versions {
    struct group_version *v; /* groups in the registry's order, preferred versions first */
    size_t n;
};
void group_versions_init(struct group_versions *gvs, const struct registry *reg);
void group_versions_done(struct group_versions *gvs);

/* Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name. */
int version_order(const char *a, const char *b);

/* NULL, or "v2" or "v2beta1": the aggregated document that the Accept header asks for first. */
const char *discovery_aggregated(const char *accept);

/* Each gives a document in doc; NULL when there is no such group or version. */
yyjson_mut_val *discovery_aggregate(yyjson_mut_doc *doc, const struct registry *reg, bool core,
                                    const char *version);
yyjson_mut_val *discovery_versions(yyjson_mut_doc *doc, const char *address);
yyjson_mut_val *discovery_groups(yyjson_mut_doc *doc, const struct registry *reg);
yyjson_mut_val *discovery_group(yyjson_mut_doc *doc, const struct registry *reg, const char *group);
yyjson_mut_val *discovery_resources(yyjson_mut_doc *doc, const struct registry *reg,
                                    const char *group, const char *version);

#endif
