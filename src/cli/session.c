#include "cli/session.h"
#include "cli/gate.h"
#include "cli/host.h"

#include <unistd.h>

int session_open(struct session *s, const char *name, enum session_how how, struct err *err)
{
    struct kube_config_opts o = {0};
    int code;

    *s = (struct session){.gate = -1};
    code = instance_open(&s->i, name, how != SESSION_FIND, err);
    if (code < 0)
        return code;
    s->gate = how == SESSION_FIND ? gate_connect(s->i.sock, err)
                                  : host_join(&s->i, how == SESSION_START_EPHEMERAL, err);
    if (s->gate < 0)
        return how == SESSION_FIND ? instance_not_running(&s->i, err) : s->gate;
    if (how == SESSION_FIND && (code = gate_wait_ready(s->gate, err)) < 0)
        return code;
    o.path = s->i.kubeconfig;
    code = kube_config_load(&o, &s->config, err);
    if (code < 0)
        return code;
    uv_loop_init(&s->loop);
    s->loop_open = true;
    return kube_new(&s->loop, s->config, &(struct kube_opts){.user_agent = "manta"}, &s->kube, err);
}

static void hang_up(struct session *s)
{
    kube_free(s->kube);
    s->kube = NULL;
    if (s->loop_open) {
        uv_run(&s->loop, UV_RUN_DEFAULT);
        uv_loop_close(&s->loop);
    }
    s->loop_open = false;
}

int session_leave(struct session *s, const char *word, struct err *err)
{
    int code = 0;

    hang_up(s); /* an API server that is to stop should not wait for us */
    if (s->gate >= 0 && word)
        code = gate_say(s->gate, word, err);
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
