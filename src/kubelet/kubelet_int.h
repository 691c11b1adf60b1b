/* What the files of the kubelet process share. Everything lives on one loop. */
#ifndef MANTA_KUBELET_KUBELET_INT_H
#define MANTA_KUBELET_KUBELET_INT_H

#include "base/map.h"
#include "kube/client.h"
#include "kube/watch.h"
#include "kubelet/kevents.h"
#include "kubelet/kubelet.h"
#include "kubelet/node.h"
#include "kubelet/pod.h"
#include "kubelet/services.h"
#include "net/server.h"

struct kubelet;

/* A pod of this node, and what of it is on its way to the API server. */
struct kpod {
    struct kubelet *k;
    struct pod *pod;
    struct json *unsent;          /* the newest status that was not sent yet */
    struct kube_request *sending; /* a status */
    struct kube_request *deleting;
    bool ended;         /* its processes and files are gone */
    bool removed;       /* its object is gone from the API */
    bool marked;        /* seen in the running list */
    bool version_asked; /* rayVersion was compared with the environment */
    bool again;         /* its status or its deletion failed: kpods_retry() */
};

/* A pod that waits for a node. */
struct unbound {
    struct json *object;
    bool marked, binding;
    char told[256]; /* what its condition says */
};

struct kubelet {
    const struct kubelet_options *o;
    uv_loop_t loop;
    char *state_dir, *reach, *socket;
    const char *node_name;
    struct kube_config *config;
    struct kube *kube;
    struct node_info info;
    struct pod_host host;
    struct kevents *events;
    struct services *services;
    struct dns *dns;
    struct http_server *server;
    struct kube_watch *watch;
    struct map pods;    /* UID → struct kpod */
    struct map unbound; /* UID → struct unbound */
    struct map objects; /* kobjects.c */
    unsigned next_ip;
    uv_signal_t on_term, on_int;
    uv_timer_t heartbeat, refresh, retry;
    uv_poll_t node_watch; /* a connection that ends with the node process */
    int node_fd;
    struct json *node; /* as the API server last answered it; NULL: not registered */
    bool registering, lease_there, synced, ready_told, stopping;
};

/* kpods.c */
void kpods_start(struct kubelet *k);
void kpods_poke(struct kubelet *k);
void kpods_retry(struct kubelet *k); /* what the API server did not take */
struct kpod *kpods_find(struct kubelet *k, const char *ns, const char *name);
void kpods_free(struct kubelet *k);

/* kobjects.c: what pods refer to */
int kobject_get(void *ctx, const char *kind, const char *ns, const char *name, yyjson_val **ret,
                struct err *err);
int kobject_token(void *ctx, yyjson_val *pod, const char *audience, int64_t seconds,
                  struct buf *out, struct err *err);
void kobjects_free(struct kubelet *k);

/* knode.c */
void knode_start(struct kubelet *k);
void knode_retry(struct kubelet *k); /* registers, unless that is done */
int64_t machine_memory(void);        /* bytes */
int64_t machine_cpu_milli(void);

/* sched.c */
void sched_pod(struct kubelet *k, struct json *object); /* a pod without a node, new or changed */
void sched_forget(struct kubelet *k, const char *uid);
void sched_run(struct kubelet *k); /* tries all that wait */
void sched_free(struct kubelet *k);

/* kserver.c */
int kserver_start(struct kubelet *k, struct err *err);

/* kubelet.c */
void kubelet_maybe_ready(struct kubelet *k);

#endif
