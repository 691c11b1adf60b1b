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

/* How objects are wanted (Accept, pretty, includeObject). */
enum representation {
    REP_OBJECT,
    REP_TABLE,        /* as=Table;v=v1;g=meta.k8s.io */
    REP_PARTIAL,      /* as=PartialObjectMetadata */
    REP_PARTIAL_LIST, /* as=PartialObjectMetadataList */
};
enum encoding { ENCODE_JSON, ENCODE_PRETTY, ENCODE_YAML, ENCODE_PROTOBUF };
enum include_object { INCLUDE_METADATA, INCLUDE_OBJECT, INCLUDE_NONE }; /* in a Table's rows */

struct view {
    enum representation rep;
    enum encoding encoding;
    enum include_object include;
    bool beta; /* meta.k8s.io/v1beta1 */
};

enum field_validation { VALIDATE_IGNORE, VALIDATE_WARN, VALIDATE_STRICT };
enum propagation {
    PROPAGATE_DEFAULT,
    PROPAGATE_BACKGROUND,
    PROPAGATE_FOREGROUND,
    PROPAGATE_ORPHAN
};

struct param {
    const char *name, *value;
};

struct request {
    struct apiserver *api;
    struct http_req *http; /* NULL for calls from inside, or once the client is gone */
    struct arena arena;    /* everything below, and whatever the answer needs */
    yyjson_mut_doc *doc;   /* likewise for JSON; made by request_doc() */

    const char *method, *path;         /* decoded */
    VEC(struct param) params;          /* of the query, decoded */
    const char *content_type, *accept; /* "" if none */
    struct slice body; /* valid until the first answer or the next turn of the loop */
    yyjson_val *value; /* the body of a call from inside, instead */
    struct user user;

    const struct resource *res; /* referenced; NULL for other paths */
    enum api_verb verb;
    const char *ns, *name, *subresource; /* "" where absent */
    const char *rest; /* what follows the subresource ("proxy/…"), "" if nothing */
    struct view view;

    /* options common to the writing verbs */
    bool dry_run;
    enum field_validation field_validation;
    const char *manager; /* field manager */

    struct warnings warnings;
    struct field_errors errs;

    /* the answer that waits for its commit: request_later_…() */
    const struct status *later_status;
    const struct object *later_object;
    yyjson_mut_val *later_value;
    struct buf later_text;
    int later_http;

    /* Turns the object into what the answer shows (scale); result in req's doc. May be NULL. */
    yyjson_mut_val *(*shape)(struct request *req, yyjson_val *obj);

    bool internal; /* a call from inside: no http, done (may be NULL) instead */
    void (*done)(void *arg, const struct status *st, const struct object *obj);
    void *arg;
};

yyjson_mut_doc *request_doc(struct request *req);
const char *request_param(struct request *req, const char *name); /* decoded; NULL if absent */

/* Answers. Each ends the request: req is gone when it returns. */
void request_status(struct request *req, const struct status *st);
void request_object(struct request *req, int http, const struct object *o); /* as Accept wants it */
/* An object that is not stored (dry run, scale, reviews); root belongs to req's doc. */
void request_value(struct request *req, int http, yyjson_mut_val *root);
/* Finished JSON (a list, a Table, discovery); changed into YAML etc. as Accept wants. text is
 * emptied. */
void request_json(struct request *req, int http, struct buf *text);
/* Bytes as they are. */
void request_bytes(struct request *req, int http, const char *content_type, struct slice body);

/* The same once all that is settled now is committed; a failed commit becomes a 500. */
void request_later_status(struct request *req, const struct status *st);
void request_later_object(struct request *req, int http, const struct object *o);
void request_later_value(struct request *req, int http, yyjson_mut_val *root);
void request_later_json(struct request *req, int http, struct buf *text); /* text is emptied */

#endif
