/*
 * Which pods stand behind a Service, as an Endpoints object and as an EndpointSlice. Pure functions
 * of the Service and the pods of its namespace that its selector matches. Rules: Kubernetes'
 * endpoints and endpointslice controllers.
 */
#ifndef MANTA_APISERVER_CONTROLLERS_ENDPOINTS_H
#define MANTA_APISERVER_CONTROLLERS_ENDPOINTS_H

#include "data/json.h"

struct backends {
    yyjson_val *service;
    yyjson_val *const *pods;
    size_t n_pods;
};

/* The whole object but for what the API server fills in. */
yyjson_mut_val *endpoints_make(yyjson_mut_doc *doc, const struct backends *b);
yyjson_mut_val *endpointslice_make(yyjson_mut_doc *doc, const struct backends *b);
/* Its name: that of the Service and five letters that follow from its UID. out has 260 bytes. */
void endpointslice_name(yyjson_val *service, char *out, size_t n);

bool service_has_endpoints(yyjson_val *service); /* a selector, and not ExternalName */

#endif
