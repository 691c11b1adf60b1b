/*
 * Subresources and whole resources that store nothing: a pod's binding and eviction, tokens of
 * service accounts, and the reviews of authentication.k8s.io and authorization.k8s.io.
 */
#ifndef MANTA_APISERVER_KINDS_SUBRESOURCES_H
#define MANTA_APISERVER_KINDS_SUBRESOURCES_H

#include "apiserver/request.h"

typedef void request_handler(struct request *req);

request_handler *subresource_handler_find(const char *group, const char *plural, const char *name);
/* For resources whose create is an answer, not an object (TokenReview, …). */
request_handler *review_handler_find(const char *group, const char *plural);

#endif
