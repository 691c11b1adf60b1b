/*
 * The embedded API server: a process' worth of state, and the calls that its own controllers use.
 * Controllers go through the same verbs as everybody (validation, admission, versions, commit);
 * reading is immediate, writing answers later, on the loop thread.
 *
 *     api_call(api, &(struct api_call){.verb = VERB_DELETE, .res = pods, .ns = ns, .name = n,
 *                                      .done = gone, .arg = self});
 */
#ifndef MANTA_APISERVER_APISERVER_H
#define MANTA_APISERVER_APISERVER_H

#include "apiserver/request.h"
#include "apiserver/resources.h"
#include "apiserver/storage.h"

struct apiserver_options {
    const char *listen;           /* "127.0.0.1:0" */
    const char *state;            /* directory */
    const char *write_kubeconfig; /* file, written when ready; may be NULL */
    const char *context;          /* its context's name; "manta" */
    const char *token_auth_file;  /* CSV, may be NULL */
    const char *controllers;      /* kube-controller-manager's --controllers: "*,-job-controller" */
    const char *disable_admission; /* comma-separated plugin names */
};

struct apiserver; /* fields: apiserver/server.h, for the core only */

struct registry *api_registry(struct apiserver *api);
struct storage *api_storage(struct apiserver *api);
uv_loop_t *api_loop(struct apiserver *api);
const struct apiserver_options *api_options(const struct apiserver *api);
bool api_controller_enabled(const struct apiserver *api, const char *name);  /* "job-controller" */
bool api_admission_enabled(const struct apiserver *api, const char *plugin); /* "ServiceAccount" */
const char *api_ca_pem(const struct apiserver *api); /* certificate of the CA, PEM */
int api_port(const struct apiserver *api);
/* A signed token (JWT, ES256) that auth accepts as a service account. The caller's. seconds: life.
 */
char *api_sa_token(struct apiserver *api, const char *ns, const char *sa, const char *sa_uid,
                   const char *pod, const char *pod_uid, int64_t seconds);

/* Built-in resource by group and plural, in its stored version; never NULL for built-in ones. */
const struct resource *api_resource(struct apiserver *api, const char *group, const char *plural);

/* ---- reading: storage_get and storage_each on api_storage() ---- */

/* ---- writing ---- */
struct api_call {
    enum api_verb verb; /* CREATE, UPDATE, PATCH (merge patch), DELETE, DELETECOLLECTION */
    const struct resource *res;
    const char *ns, *name, *subresource; /* NULL or "" where absent */
    yyjson_val *body;    /* the object or the patch; DELETE: DeleteOptions or NULL; copied */
    const char *manager; /* field manager; NULL: "manta" */
    /* st is NULL on success; obj may be NULL (deleted at once). Both borrowed. May be NULL. */
    void (*done)(void *arg, const struct status *st, const struct object *obj);
    void *arg;
};
void api_call(struct apiserver *api, const struct api_call *call);

/* ---- following: every committed write, in order; res NULL: all kinds ---- */
struct subscription;
struct subscription *api_subscribe(struct apiserver *api, const struct resource *res,
                                   storage_follower *f, void *arg);
void api_unsubscribe(struct subscription *sub);

/* After registry_remove: ends the watches of res. */
void api_resource_gone(struct apiserver *api, const struct resource *res);

/* ---- the process ---- */
int apiserver_new(const struct apiserver_options *opts, uv_loop_t *loop, struct apiserver **ret,
                  struct err *err);
/* Stops accepting, ends watches, answers what is under way, commits, then calls done. */
void apiserver_drain(struct apiserver *api, void (*done)(void *arg), void *arg);
void apiserver_free(struct apiserver *api);

#endif
