/* manta apiserver: the embedded API server by itself. */
#include "apiserver/apiserver.h"
#include "base/log.h"
#include "cli/flags.h"
#include "cli/verb.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char about[] =
    "Serves the Kubernetes API from the state directory until SIGTERM or SIGINT. Ready when the "
    "kubeconfig\n"
    "is there. Whoever is authenticated may do everything: RBAC's kinds are stored, not enforced.";

struct process {
    struct apiserver *api;
    uv_signal_t term, intr;
};

static void on_drained(void *arg)
{
    struct process *p = arg;

    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->intr, NULL);
    uv_stop(p->term.loop);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct process *p = s->data;

    log_info("shutting down", "signal", strsignal(number), NULL);
    apiserver_drain(p->api, on_drained, p);
}

static void watch_signal(struct process *p, uv_loop_t *loop, uv_signal_t *s, int number)
{
    uv_signal_init(loop, s);
    s->data = p;
    uv_signal_start(s, on_signal, number);
}

int verb_apiserver(int argc, char **argv)
{
    struct apiserver_options o = {.listen = "127.0.0.1:0"};
    const struct flag list[] = {
        {"listen", 0, FLAG_STRING, &o.listen, "ADDR:PORT",
         "where; port 0 takes a free one (127.0.0.1:0)"},
        {"state", 0, FLAG_STRING, &o.state, "DIR",
         "database and certificates; made if absent, mode 0700"},
        {"write-kubeconfig", 0, FLAG_STRING, &o.write_kubeconfig, "FILE",
         "how to get in as administrator"},
        {"context", 0, FLAG_STRING, &o.context, "NAME", "its context (manta)"},
        {"token-auth-file", 0, FLAG_STRING, &o.token_auth_file, "CSV",
         "more users: token,user,uid,\"group1,group2\""},
        {"controllers", 0, FLAG_STRING, &o.controllers, "LIST",
         "as kube-controller-manager has it: *,-job-controller (*)"},
        {"disable-admission-plugins", 0, FLAG_STRING, &o.disable_admission, "LIST",
         "as kube-apiserver has it: ServiceAccount,…"},
    };
    const struct flags flags = {"apiserver --state DIR --write-kubeconfig FILE", about, list,
                                ARRAY_SIZE(list)};
    struct process p = {0};
    struct err err = {0};
    uv_loop_t loop;
    char port[16];
    int n = flags_parse(&flags, argc, argv);

    if (n < 0)
        return flags_exit(n);
    if (n > 0 || !o.state) {
        fprintf(stderr, "manta apiserver: %s%s\nSee: manta apiserver --help\n",
                n ? "unexpected operand " : "--state is missing", n ? argv[1] : "");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    if (apiserver_new(&o, &loop, &p.api, &err) < 0) {
        fprintf(stderr, "manta apiserver: %s\n", err.msg);
        return 1;
    }
    watch_signal(&p, &loop, &p.term, SIGTERM);
    watch_signal(&p, &loop, &p.intr, SIGINT);
    snprintf(port, sizeof port, "%d", api_port(p.api));
    log_info("serving", "listen", o.listen, "port", port, "state", o.state, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    apiserver_free(p.api);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return 0;
}
