/*
 * The few calls of rtnetlink(7) that pods' networks need, so that no `ip` has to be installed.
 * Every call acts in the network namespace that the socket was opened in and waits for the
 * kernel's answer. IPv4 only. Addresses are text ("10.244.0.1").
 */
#ifndef MANTA_KUBELET_RTNL_H
#define MANTA_KUBELET_RTNL_H

#include "base/err.h"

int rtnl_open(struct err *err); /* the descriptor, to be closed with close() */

int rtnl_link_up(int fd, const char *name, struct err *err);
int rtnl_bridge_add(int fd, const char *name, struct err *err);
/* A pair: `name` here, enslaved to `master`, and `peer` in the network namespace of pid. */
int rtnl_veth_add(int fd, const char *name, const char *master, const char *peer, int pid,
                  struct err *err);
int rtnl_set_master(int fd, const char *name, const char *master, struct err *err);
int rtnl_set_mac(int fd, const char *name, const unsigned char mac[6], struct err *err);
/* A port of a bridge gets only what is sent to mac (and broadcasts): nothing whose place is
 * unknown. */
int rtnl_port_only(int fd, const char *name, const unsigned char mac[6], struct err *err);
int rtnl_link_del(int fd, const char *name, struct err *err); /* absent: 0 */
int rtnl_addr_add(int fd, const char *name, const char *ip, unsigned prefix, struct err *err);

/* dst/prefix through gateway (NULL: none). local: every address of the range is this host's. */
struct rtnl_route {
    const char *dst; /* NULL: the default route */
    unsigned prefix;
    const char *gateway;
    const char *dev; /* may be NULL with a gateway */
    bool local;
};
int rtnl_route_add(int fd, const struct rtnl_route *r, struct err *err);

#endif
