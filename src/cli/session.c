#include "cli/session.h"
#include "cli/gate.h"
#include "cli/host.h"

#include <fcntl.h>
#include <unistd.h>

int session_open(struct session *s, const char *name, enum session_how how, struct err *err)
{
    struct kube_config_opts o = {0};
    int code;

    *s = (struct session){.gate = -1, .ephemeral = how == SESSION_START_EPHEMERAL};
    code = instance_open(&s->i, name, how != SESSION_FIND, err);
    if (code < 0)
        return code;
    s->gate = how == SESSION_FIND ? gate_connect(s->i.sock, err)
                                  : host_join(&s->i, how == SESSION_START_EPHEMERAL, err);
    if (s->gate < 0)
        return how == SESSION_FIND ? instance_not_running(&s->i, err) : s->gate;
    if (how == SESSION_FIND && (code = gate_wait_ready(s->gate, err)) < 0)
        return code;
    if (how == SESSION_START)
        gate_stay(s->gate);
    o.path = s->i.kubeconfig;
    code = kube_config_load(&o, &s->config, err);
    if (code < 0)
        return code;
    uv_loop_init(&s->loop);
    s->loop_open = true;
    return kube_new(&s->loop, s->config, &(struct kube_opts){.user_agent = "manta"}, &s->kube, err);
}

/* A host that ends in order takes its socket away. */
static bool host_was_killed(const struct session *s)
{
    int fd autoclose = access(s->i.sock, F_OK) ? -1 : gate_connect(s->i.sock, NULL);

    return fd < 0 && access(s->i.sock, F_OK) == 0;
}

static void unguard(struct session *s)
{
    s->on_down = NULL;
    if (s->guarded) { /* what is left to say to the host is said blocking */
        uv_close((uv_handle_t *)&s->guard, NULL);
        fcntl(s->gate, F_SETFL, fcntl(s->gate, F_GETFL) & ~O_NONBLOCK);
    }
    s->guarded = false;
}

static void on_host_gone(uv_poll_t *p, int status, int events);

static void watch_gate(struct session *s)
{
    uv_poll_init(&s->loop, &s->guard, s->gate);
    s->guard.data = s;
    uv_poll_start(&s->guard, UV_READABLE, on_host_gone);
    uv_unref((uv_handle_t *)&s->guard);
    s->guarded = true;
}

static void guard_closed(uv_handle_t *h)
{
    struct session *s = h->data;
    struct err err;

    close(s->gate);
    s->gate = -1;
    if (!s->on_down)
        return;
    if (access(s->i.sock, F_OK) < 0) {
        s->on_down(s->ctx, "the instance was taken down");
        return;
    }
    s->gate = host_join(&s->i, s->ephemeral, &err);
    if (s->gate < 0)
        s->on_down(s->ctx, err.msg);
    else
        watch_gate(s);
}

/* After its greeting the host says nothing: what can be read here is its end. */
static void on_host_gone(uv_poll_t *p, unused int status, unused int events)
{
    struct session *s = p->data;

    s->guarded = false;
    uv_close((uv_handle_t *)p, guard_closed);
}

void session_guard(struct session *s, void (*on_down)(void *ctx, const char *why), void *ctx)
{
    s->on_down = on_down;
    s->ctx = ctx;
    watch_gate(s);
}

static void hang_up(struct session *s)
{
    unguard(s);
    kube_free(s->kube);
    s->kube = NULL;
    if (s->loop_open) {
        uv_run(&s->loop, UV_RUN_DEFAULT);
        uv_loop_close(&s->loop);
    }
    s->loop_open = false;
}

/* A new host does the tidying that the killed one cannot do. */
static int leave_anew(struct session *s, struct err *err)
{
    int fd autoclose = host_join(&s->i, true, err);

    return fd < 0 ? fd : gate_say(fd, "leave", err);
}

int session_leave(struct session *s, const char *word, struct err *err)
{
    int code = 0;

    hang_up(s); /* an API server that is to stop should not wait for us */
    if (s->gate >= 0 && word)
        code = gate_say(s->gate, word, err);
    if (s->ephemeral && host_was_killed(s))
        code = leave_anew(s, err);
    if (s->gate >= 0)
        close(s->gate);
    s->gate = -1;
    return code;
}

void session_done(struct session *s)
{
    hang_up(s);
    kube_config_free(s->config);
    if (s->gate >= 0)
        close(s->gate);
    instance_done(&s->i);
}
