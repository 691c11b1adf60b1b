/* What the kubelet serves to the API server on its unix socket: /containerLogs/… and /exec/…. */
#ifndef MANTA_KUBELET_KSERVER_H
#define MANTA_KUBELET_KSERVER_H

#include "kubelet/kubelet_int.h"

/* A plain text that says why not; the API server makes a Status of it. */
void kserver_refuse(struct http_req *r, int status, const char *fmt, ...) printf_like(3, 4);

/* exec.c: a WebSocket handshake for a process in c, which may not be running. Query: command,
 * stdin, stdout, stderr, tty as in a PodExecOptions. */
void exec_serve(struct kubelet *k, struct http_req *r, struct kpod *p, struct ctr *c);

#endif
