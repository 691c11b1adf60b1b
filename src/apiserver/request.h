/*
 * One request on its way from a connection (or a controller) to its answer. Routes fill it, auth
 * adds the user, a verb or a handler answers it exactly once, now or in a later turn. When the
 * client goes away first, the request lives until its answer and the answer is dropped.
 *
 *     static void handle_log(struct request *req) { … request_status(req, status_new(…)); }
 */
#ifndef MANTA_APISERVER_REQUEST_H
#define MANTA_APISERVER_REQUEST_H

#include "apiserver/resources.h"
#include "apiserver/storage.h"

struct http_req; /* net/server.h */

/* How objects are wanted (Accept). */
enum representation {
    REP_OBJECT,
    REP_TABLE,         /* as=Table;v=v1;g=meta.k8s.io */
    REP_PARTIAL,       /* as=PartialObjectMetadata */
    REP_PARTIAL_LIST,  /* as=PartialObjectMetadataList */
};

enum field_validation { VALIDATE_IGNORE, VALIDATE_WARN, VALIDATE_STRICT };
enum propagation { PROPAGATE_DEFAULT, PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };

struct request {
    struct apiserver *api;
    struct http_req *http; /* NULL for calls from inside, or once the client is gone */
    struct arena arena;        /* everything below, and whatever the answer needs */
    yyjson_mut_doc *doc;       /* likewise for JSON; made by request_doc() */

    const char *method, *path, *query; /* path decoded; query raw, without "?" */
    const char *content_type;          /* "" if none */
    const char *accept;
    struct slice body;
    struct user user;

    const struct resource *res; /* referenced; NULL for other paths */
    enum verb verb;
    const char *ns, *name, *subresource; /* "" where absent */
    const char *rest;                    /* what follows the subresource ("proxy/…"), "" if nothing */
    enum representation rep;
    bool pretty, yaml; /* of the answer */

    /* options common to the writing verbs, from query or body */
    bool dry_run;
    enum field_validation field_validation;
    const char *manager; /* field manager */

    struct warnings warnings;
    /* calls from inside */
    void (*done)(void *arg, const struct status *st, const struct object *obj);
    void *arg;
    bool answered;
};

yyjson_mut_doc *request_doc(struct request *req);
const char *request_param(struct request *req, const char *name); /* decoded; NULL if absent */

/* Answers. Each ends the request: it is freed when these return (or soon after). */
void request_status(struct request *req, const struct status *st);
void request_object(struct request *req, int http, const struct object *o); /* as Accept wants it */
/* An object that is not stored (dry run, scale, reviews); root belongs to req's doc. */
void request_value(struct request *req, int http, yyjson_mut_val *root);
/* Bytes as they are. */
void request_bytes(struct request *req, int http, const char *content_type, struct slice body);

#endif
