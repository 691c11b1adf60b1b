/*
 * What `manta operator` is told: upstream's flags (as Go's flag package reads them), its
 * configuration file, feature gates and the environment, read once at the start (spec: platform
 * §1). One table row a setting, options.c; src/ray sees its part as struct ray_options.
 *
 * Exit codes are upstream's: 2 for flags that are wrong, 1 for a configuration that is.
 */
#ifndef MANTA_OPERATOR_OPTIONS_H
#define MANTA_OPERATOR_OPTIONS_H

#include "base/arena.h"
#include "base/err.h"
#include "ray/options.h"

struct operator_options {
    const char *metrics_addr, *probe_addr; /* "0": none; probe_addr also "" */
    bool leader_election;
    const char *leader_election_namespace;
    int64_t concurrency;
    const char *watch_namespace; /* comma list, not trimmed; "": all */
    bool forced_upgrade;
    const char *log_file, *log_file_encoder, *log_stdout_encoder;
    bool enable_batch_scheduler;
    const char *batch_scheduler;
    const char *config;
    bool use_kubernetes_proxy;
    const char *feature_gates;
    bool enable_metrics;
    double qps; /* 0: client-go's 5; negative: no limit */
    int64_t burst;
    const char *kubeconfig;
    bool zap_devel;
    const char *zap_log_level; /* debug, info, error, panic or a number */
    const char *zap_stacktrace_level, *zap_encoder, *zap_time_encoding;

    struct ray_options ray; /* openshift and cert_manager are filled in after discovery */

    struct arena arena; /* everything above lives here */
    struct json *file;  /* the configuration file */
};

enum { OPTIONS_OK, OPTIONS_HELP, OPTIONS_USAGE, OPTIONS_CONFIG };

/*
 * argv without the program's name; env ends with NULL ("NAME=value"). err tells what is wrong
 * unless the answer is OPTIONS_OK or OPTIONS_HELP. operator_options_done() in every case.
 */
int operator_options_parse(struct operator_options *o, int argc, char **argv, char **env,
                           struct err *err);
void operator_options_done(struct operator_options *o);
void operator_options_usage(struct buf *out); /* the flags with their defaults */

/* {"Gate": true, …}: all of KubeRay's own, by name. */
void operator_gates_json(const struct operator_options *o, struct buf *out);

/* The namespaces to watch, in order; n 0 means all. Lives in o. */
const char **operator_namespaces(struct operator_options *o, size_t *ret_n);

#endif
