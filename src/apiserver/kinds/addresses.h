/*
 * What Services hold exclusively: cluster IPs (10.96.0.0/12) and node ports (30000 … 32767). One
 * table an API server, filled from what is stored and kept by following writes. An address that is
 * handed out stays taken until its Service is deleted; one whose write failed stays taken until the
 * process ends, which the ranges' sizes allow.
 */
#ifndef MANTA_APISERVER_KINDS_ADDRESSES_H
#define MANTA_APISERVER_KINDS_ADDRESSES_H

#include "apiserver/apiserver.h"

#define CLUSTER_CIDR "10.96.0.0/12"
#define NODE_PORT_MIN 30000
#define NODE_PORT_MAX 32767

struct addresses;

struct addresses *addresses_new(struct apiserver *api); /* follows services from now on */
void addresses_free(struct addresses *a);
struct addresses *addresses_of(struct apiserver *api); /* NULL before kinds_start */

#define IP_TEXT 16
/* A free IP or port, not yet taken. False when none is left. */
bool addresses_pick_ip(struct addresses *a, char out[IP_TEXT]);
/* What a dry run shows: always the same. */
bool addresses_dry_ip(char out[IP_TEXT]);
bool addresses_pick_port(struct addresses *a, unsigned *ret);
bool addresses_in_range(const char *ip);
bool addresses_ip_taken(const struct addresses *a, const char *ip, const char *owner);
bool addresses_port_taken(const struct addresses *a, unsigned port, const char *owner);
/* owner is the Service's UID: what it holds itself is not taken to it. */
void addresses_take_ip(struct addresses *a, const char *ip, const char *owner);
void addresses_take_port(struct addresses *a, unsigned port, const char *owner);

#endif
