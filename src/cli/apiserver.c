/* manta apiserver: the embedded API server by itself. */
#include "apiserver/apiserver.h"
#include "base/log.h"
#include "cli/verb.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: manta apiserver --listen ADDR:PORT --state DIR --write-kubeconfig FILE [options]\n"
    "\n"
    "Serves the Kubernetes API from DIR until SIGTERM or SIGINT. Ready when FILE is there.\n"
    "\n"
    "  --listen ADDR:PORT       where; port 0 takes a free one (default 127.0.0.1:0)\n"
    "  --state DIR              database and certificates; made if absent, mode 0700\n"
    "  --write-kubeconfig FILE  how to get in as administrator\n"
    "  --context NAME           its context (default manta)\n"
    "  --token-auth-file CSV    more users: token,user,uid,\"group1,group2\"\n"
    "  --controllers LIST       as kube-controller-manager has it: *,-job-controller (default *)\n"
    "  --disable-admission-plugins LIST\n"
    "                           as kube-apiserver has it: ServiceAccount,…\n"
    "\n"
    "Whoever is authenticated may do everything: RBAC's kinds are stored, not enforced.\n";

enum { OPT_LISTEN = 1, OPT_STATE, OPT_KUBECONFIG, OPT_CONTEXT, OPT_TOKENS, OPT_CONTROLLERS, OPT_ADMISSION, OPT_HELP };

static const struct option options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"state", required_argument, NULL, OPT_STATE},
    {"write-kubeconfig", required_argument, NULL, OPT_KUBECONFIG},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"token-auth-file", required_argument, NULL, OPT_TOKENS},
    {"controllers", required_argument, NULL, OPT_CONTROLLERS},
    {"disable-admission-plugins", required_argument, NULL, OPT_ADMISSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* 0 to go on, or an exit code + 1. */
static int parse(int argc, char **argv, struct apiserver_options *o)
{
    const char **const targets[] = {
        [OPT_LISTEN] = &o->listen,
        [OPT_STATE] = &o->state,
        [OPT_KUBECONFIG] = &o->write_kubeconfig,
        [OPT_CONTEXT] = &o->context,
        [OPT_TOKENS] = &o->token_auth_file,
        [OPT_CONTROLLERS] = &o->controllers,
        [OPT_ADMISSION] = &o->disable_admission,
    };

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == OPT_HELP || c == 'h') {
            fputs(help, stdout);
            return 1;
        }
        if (c == '?')
            return 3;
        *targets[c] = optarg;
    }
    if (optind < argc || !o->state) {
        fprintf(stderr, optind < argc ? "manta apiserver: unexpected \"%s\"\n" : "manta apiserver: --state is missing\n",
                argv[optind]);
        return 3;
    }
    return 0;
}

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
    struct process p = {0};
    struct err err = {0};
    uv_loop_t loop;
    char port[16];
    int r = parse(argc, argv, &o);

    if (r)
        return r - 1;
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
