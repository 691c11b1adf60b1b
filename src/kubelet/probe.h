/*
 * Probes of a container: exec, httpGet, tcpSocket, with Kubernetes' thresholds and periods.
 *
 * Readiness may run early: from the start, every 200 ms, until it first succeeds. What fails before
 * initialDelaySeconds counts for nothing; after that failures count once a period, as they would
 * without it. So nobody waits for a probe that would have said yes, and the pod's spec stays as is.
 *
 * `wget … URL | grep WORD [&& …]` by a shell, which is how Ray's pods are probed, is answered by
 * asking the URL from here: it works without wget on the machine and costs no process.
 */
#ifndef MANTA_KUBELET_PROBE_H
#define MANTA_KUBELET_PROBE_H

#include "data/json.h"

enum probe_kind { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBE_KINDS };
const char *probe_name(enum probe_kind k);   /* "Readiness" */
const char *probe_member(enum probe_kind k); /* "readinessProbe" */

struct ctr;
struct probe;

/* Starts the container's probe of that kind, NULL if it has none. */
struct probe *probe_start(struct ctr *c, enum probe_kind kind);
void probe_stop(struct probe *p);

/* One URL of a wget probe. */
struct wget_check {
    char host[64], path[256], word[64];
    unsigned port;
    unsigned timeout_ms;
};
#define WGET_CHECKS_MAX 4
/* How many checks an exec command consists of; 0 if it is anything else. */
size_t probe_parse_wget(yyjson_val *command, struct wget_check checks[WGET_CHECKS_MAX]);

/* Something an HTTP request or an open port tells once; used by probes and preStop. */
struct http_check;
struct http_check_opts {
    struct ctr *ctr;
    bool in_pod; /* connect from inside the pod's network ("localhost") */
    const char *scheme, *host, *path, *method; /* path NULL: only connect */
    yyjson_val *headers;                       /* of a httpGet */
    unsigned port, timeout_ms;
    const char *word; /* the body must contain it; NULL: a status of 200 to 399 is enough */
    void (*done)(void *ctx, bool ok, const char *output);
    void *ctx;
};
struct http_check *http_check_start(const struct http_check_opts *o);
void http_check_cancel(struct http_check *h);

int probe_null_fd(void); /* /dev/null, kept open */

/* The number of an int-or-string port of that container; 0 if there is none such. */
unsigned probe_port(yyjson_val *container, yyjson_val *port);

#endif
