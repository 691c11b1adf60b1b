/*
 * Sockets from inside the node's network namespace (libc only, used by every process of manta).
 *
 * Pods of the process kubelet live in a network of their own (10.244.0.0/16, services in
 * 10.96.0.0/12) that the machine's other processes have no route to. A socket keeps the namespace
 * that it was made in, so the kubelet's node process makes sockets on request and hands them over
 * (SCM_RIGHTS) through the unix socket `reach.sock`. One request costs well under a millisecond.
 *
 * Protocol, SOCK_SEQPACKET, one request and one answer a packet, any number a connection:
 *     "tcp"                    → "ok" with a fresh TCP socket
 *     "listen ADDR PORT"       → "ok" with a listening TCP socket
 *     "udp ADDR PORT"          → "ok" with a bound UDP socket
 * Failure: "error TEXT", no descriptor. Descriptors are handed over blocking; the functions here
 * set O_NONBLOCK and FD_CLOEXEC.
 *
 * Who finds it: the environment variable MANTA_REACH holds the path of reach.sock (`manta up` sets
 * it for the operator). Without it, or if the namespace does not exist (fallback without
 * namespaces), reach_connect() makes an ordinary socket of this process.
 */
#ifndef MANTA_BASE_REACH_H
#define MANTA_BASE_REACH_H

#include "base/err.h"

/*
 * Where a node's kubelet serves HTTP/1.1: an annotation of the Node with the path of a unix socket
 * (mode 0600, so only this user reaches it; no other authentication). The API server connects
 * there (http_client's connect_fd with unix_connect) for
 *     GET /containerLogs/NAMESPACE/POD/CONTAINER?follow=true&tailLines=N&timestamps=true
 *         &previous=true&sinceSeconds=N&sinceTime=T&limitBytes=N
 * with the query of pods/log as it came; answers are text/plain, errors a text and a status.
 */
#define KUBELET_SOCKET_ANNOTATION "manta.io/kubelet-socket"

#define REACH_ENV "MANTA_REACH"
#define REACH_SOCKET "reach.sock" /* in the kubelet's state directory */

/*
 * A non-blocking TCP socket whose connect() to ip:port has been started: wait until it is
 * writable, then read SO_ERROR. path is reach.sock's path; NULL takes MANTA_REACH, and where that
 * is unset, too, the socket is an ordinary one. Returns the descriptor or a negative code.
 */
int reach_connect(const char *path, const char *ip, unsigned port, struct err *err);

int reach_listen(const char *path, const char *ip, unsigned port, struct err *err);
int reach_udp(const char *path, const char *ip, unsigned port, struct err *err);

/* Sends one raw request and gives the descriptor that comes back (owned by the caller). */
int reach_request(const char *path, const char *request, struct err *err);

/* unix(7) sockets under paths longer than sun_path: through an O_PATH descriptor of the directory.
 */
int unix_connect(const char *path, int type, struct err *err); /* type: SOCK_STREAM … */
int unix_listen(const char *path, int type, struct err *err);  /* replaces a stale one, mode 0600 */
/* One packet with up to n_fds descriptors. 0 or a negative code; recv gives the length, 0 at EOF.
 */
int unix_send(int fd, const void *p, size_t n, const int *fds, int n_fds, struct err *err);
int unix_recv(int fd, void *p, size_t max, int *fds, int max_fds, int *ret_n_fds, struct err *err);

#endif
