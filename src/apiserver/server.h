/* What the files of the core share. Nothing outside of them includes this. */
#ifndef MANTA_APISERVER_SERVER_H
#define MANTA_APISERVER_SERVER_H

#include "apiserver/apiserver.h"
#include "apiserver/kinds.h"
#include "net/server.h"
#include "net/tls.h"

/* ---- pki.c: the certificates in DIR/pki, made on first start ---- */
struct pki {
    char *ca_cert, *ca_key; /* PEM */
    char *server_cert, *server_key;
    char *admin_cert, *admin_key; /* CN kubernetes-admin, O system:masters */
    char *sa_key;                 /* PEM, P-256: signs service account tokens */
};
int pki_load(struct pki *pki, const char *dir, const char *host, struct err *err);
void pki_done(struct pki *pki);
int kubeconfig_write(const char *path, const char *context, const char *server,
                     const struct pki *pki, struct err *err);

/* ---- token.c: JSON web tokens (RFC 7515, ES256) of service accounts ---- */
struct token_signer; /* the key, parsed once */
int token_signer_new(const char *key_pem, struct token_signer **ret, struct err *err);
void token_signer_free(struct token_signer *s);
/* payload is JSON; the token is the caller's. */
char *token_sign(const struct token_signer *s, struct slice payload);
/* Checks form and signature and gives the payload. */
int token_verify(const struct token_signer *s, struct slice token, struct json **ret_payload,
                 struct err *err);

/* ---- auth.c ---- */
struct auth;
int auth_new(struct apiserver *api, struct auth **ret, struct err *err);
void auth_free(struct auth *auth);
/* Fills req->user from certificate or token; false: nobody. */
bool auth_request(struct auth *auth, struct request *req);

/* ---- route.c ---- */
/* Takes the path apart; NULL when req->res, verb, ns, name, … are set or the path is no resource's.
 */
struct status *route(struct request *req);

/* ---- query.c ---- */
void query_parse(struct request *req, struct slice raw);
char *percent_decode(struct arena *a, struct slice s, bool plus);
void query_bool(struct request *req, const char *name, bool *ret); /* absent: unchanged */
/* 504: the version is not reached yet (verbs/list.c). */
struct status *status_version_too_large(struct request *req, uint64_t rv);
struct status *query_int(struct request *req, const char *name,
                         int64_t *ret); /* absent: unchanged */

/* ---- accept.c ---- */
struct status *accept_parse(struct request *req);

/* ---- view.c: objects as text ---- */
/* One object as an answer's body; ends in a newline. */
struct rcbuf *view_object(const struct view *v, const struct resource *res, const struct object *o);
void view_value(const struct view *v, const struct resource *res, yyjson_val *root,
                struct buf *out);
void view_finish(const struct view *v, struct buf *text); /* JSON → YAML, … in place */
const char *view_content_type(const struct view *v);
/* An item of a list, a row of a Table: without newline. now for ages. */
void view_item(const struct view *v, const struct resource *res, const struct object *o,
               int64_t now, struct buf *out);
void view_list_open(const struct view *v, const struct resource *res, struct buf *out);
struct list_meta {
    uint64_t rv;
    const char *next;  /* continue token, or NULL */
    int64_t remaining; /* -1: unknown */
};
void view_list_close(const struct view *v, const struct resource *res, const struct list_meta *meta,
                     struct buf *out);
/* "type":…,"object":… of a watch, with its newline. root, when given, stands for o's content. */
struct rcbuf *view_event(const struct view *v, const struct resource *res, const char *type,
                         const struct object *o, yyjson_val *root, bool columns);
/* The object in the version of res. */
struct json *object_in_version(const struct resource *res, const struct object *o);

/* ---- body.c ---- */
/* The request's body as a tree in its doc, checked and pruned by the schema of res. */
struct status *body_object(struct request *req, const struct resource *res, yyjson_mut_val **ret);
/* The same for a tree that was patched together: a wrong type is a 422 of the field "patch". */
struct status *body_retype(struct request *req, const struct resource *res, yyjson_mut_val **obj);
struct status *body_json(struct request *req, struct json **ret); /* of any kind; NULL if empty */
/* Applies the body, a patch of whatever type, to a value of req's doc. */
struct status *patch_value(struct request *req, yyjson_mut_val **value);

/* ---- options.c ---- */
enum option_kind { OPTIONS_CREATE, OPTIONS_UPDATE, OPTIONS_PATCH, OPTIONS_DELETE };
struct status *options_parse(struct request *req, enum option_kind kind);

/* ---- meta.c: metadata, the same for every kind ---- */
struct status *meta_on_create(struct change *ch);
struct status *meta_on_update(struct change *ch);
void meta_validate(struct change *ch);
bool meta_generate_name(struct change *ch); /* false: no generateName */
void put_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t ns);

/* ---- change.c: what create, update and patch have in common ---- */
void change_init(struct change *ch, struct request *req, enum api_verb verb, yyjson_mut_val *obj,
                 yyjson_val *old);
struct status *
change_run(struct change *ch); /* the hooks, the split of spec and status, validation */
/* Settles it: the new object (not yet committed), a reference for the caller. */
struct object *change_write(struct change *ch, struct request *req, enum event_type type);
struct object *newest(struct request *req, bool *ret_pending); /* of req's ns and name */
struct status *namespace_must_take(struct request *req);       /* exists and is not terminating */

/* ---- verbs/ ---- */
typedef void verb_fn(struct request *req);
verb_fn verb_get, verb_list, verb_watch, verb_create, verb_update, verb_patch, verb_delete,
    verb_deletecollection, verb_scale;
void request_run(struct request *req); /* routed and authenticated: does it */
/* Creates what obj says and answers with http; shared by POST, PUT and apply. */
void create_settle(struct request *req, yyjson_mut_val *obj, int http);
/* Replaces old by obj and answers; shared by PUT and PATCH. old_json is old in the version of
 * req->res. */
void update_settle(struct request *req, const struct object *old, struct json *old_json,
                   yyjson_mut_val *obj);
/* metadata.name and namespace of a body against the path. */
struct status *check_body_name(struct request *req, yyjson_mut_val *obj);
/* Removes it: an event with its last state and a new version. */
struct object *delete_write(struct request *req,
                            const struct object *old); /* that last state; the caller's */

/* ---- selection.c: label and field selectors of a request ---- */
struct selector;
struct field_selector;
struct selection {
    struct selector *labels;
    struct field_selector *fields;
    const char *name; /* metadata.name=…, or NULL */
};
struct status *selection_parse(struct request *req, struct selection *ret);
void selection_done(struct selection *sel);
bool selection_has(const struct selection *sel, const struct object *o);
bool selection_is_everything(const struct selection *sel);

/* ---- watch.c ---- */
struct watches;
struct watches *watches_new(struct apiserver *api);
void watches_drain(struct watches *w); /* ends every watch in its place */
void watches_free(struct watches *w);

/* ---- health.c, proxy.c, podlog.c ---- */
bool health_handle(struct request *req);  /* /healthz, /livez, /readyz, /version */
bool health_is_open(const char *path);    /* without authentication */
void proxy_handle(struct request *req);   /* services/NAME/proxy/…, pods/NAME/proxy/… */
void podlog_handle(struct request *req);  /* pods/NAME/log: from the node's kubelet */
void podexec_handle(struct request *req); /* pods/NAME/exec: at the node's kubelet */

/* ---- server.c ---- */
struct apiserver {
    struct apiserver_options opts; /* strings in arena */
    struct arena arena;
    uv_loop_t *loop;
    struct registry registry;
    const struct resource *namespaces; /* looked at by every create */
    struct storage *storage;
    struct http_server *http;
    struct http_listener *listener;
    struct tls *tls;
    struct pki pki;
    struct token_signer *signer;
    struct auth *auth;
    struct watches *watches;
    int port;
    bool kinds_started, draining;
    void (*drained)(void *arg);
    void *drained_arg;
};
struct request *request_new(struct apiserver *api);
/* Headers of an answer, in the request's arena: caching, type (NULL: none), what it is warned of.
 */
struct http_field *request_fields(struct request *req, int http, const char *content_type,
                                  size_t *ret_n);
void request_free(struct request *req);

#endif
