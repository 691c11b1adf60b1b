/* What the files of the shim share: its state and its two halves, containers and connections. */
#ifndef MANTA_KUBELET_SHIM_INT_H
#define MANTA_KUBELET_SHIM_INT_H

#include "base/vec.h"
#include "kubelet/container.h"
#include "kubelet/crilog.h"
#include "kubelet/shim.h"

struct shim_container {
    char *name;
    int attempt;
    struct json *spec;
    struct container_run run; /* descriptors are -1 once closed */
    bool started, reported, reaped, exited;
    int status;    /* of wait(2), of the payload if reported, else of the init */
    char *message; /* why it could not start */
    int64_t started_ns, finished_ns;
    struct crilog log;
};

struct shim_conn {
    int fd;
    bool watching;
    pid_t exec;                    /* 0: none */
    struct shim_container *starts; /* a start that is waited for */
};

struct shim {
    const struct shim_options *o;
    VEC(struct shim_container *) containers;
    VEC(struct shim_conn *) conns;
    int listen_fd, signal_fd;
    struct shim_conn *stopper; /* asked for the end; answered when all is gone */
    bool stopping;
};

/* shim_container.c */
struct shim_container *shim_find(struct shim *s, const char *name);
int shim_start(struct shim *s, const char *name, int attempt, struct shim_container **ret,
               struct err *err);
void shim_kill(struct shim *s, struct shim_container *c);
void shim_read_stream(struct shim_container *c, int stream);
void shim_read_report(struct shim *s, struct shim_container *c);
void shim_reaped(struct shim *s, pid_t pid, int status);
bool shim_alive(const struct shim *s);
/* Records the end once every part of it is known. */
void shim_settle(struct shim *s, struct shim_container *c);
void shim_state_json(const struct shim_container *c, yyjson_mut_doc *doc, yyjson_mut_val *obj);

/* shim_conn.c */
void shim_accept(struct shim *s);
void shim_serve(struct shim *s, struct shim_conn *c);
void shim_exec_done(struct shim *s, pid_t pid, int status);
void shim_start_done(struct shim *s, struct shim_container *c); /* answers whoever waits for it */
void shim_changed(struct shim *s, struct shim_container *c);    /* tells the watchers */
void shim_answer_stop(struct shim *s);
void shim_conn_close(struct shim *s, struct shim_conn *c);

#endif
