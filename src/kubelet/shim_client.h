/*
 * The kubelet's side of a shim's socket, on a libuv loop. Callbacks come from the loop, never from
 * inside the functions here. The protocol is in shim.h.
 */
#ifndef MANTA_KUBELET_SHIM_CLIENT_H
#define MANTA_KUBELET_SHIM_CLIENT_H

#include "data/json.h"
#include "net/loop.h"

struct shim_call;

/* code 0: answer holds what the shim said (borrowed); otherwise err says why. The call is gone. */
typedef void shim_done_fn(void *ctx, int code, yyjson_val *answer, struct err *err);

/*
 * Sends one request. dir: the pod's directory. fds are sent along and stay the caller's. done may
 * be NULL. A call that cannot even be sent ends with ERR_LOST, from the loop.
 */
struct shim_call *shim_call(uv_loop_t *loop, const char *dir, struct slice request, const int *fds,
                            int n_fds, shim_done_fn *done, void *ctx);
void shim_call_cancel(struct shim_call *c); /* no callback; an exec is killed by the shim */

/* A TCP socket of the pod's network, for its loopback: blocks for the shim's answer (well under a
 * millisecond; given up after half a second). */
int shim_socket(const char *dir, struct err *err);

struct shim_watch;

struct shim_watch_opts {
    const char *dir;
    void (*on_state)(void *ctx, yyjson_val *state); /* first all that are, then each change */
    void (*on_gone)(void *ctx); /* the shim ended; nothing comes after it; must free the watch */
    void *ctx;
};
int shim_watch_new(uv_loop_t *loop, const struct shim_watch_opts *o, struct shim_watch **ret,
                   struct err *err);
void shim_watch_free(struct shim_watch *w);

#endif
