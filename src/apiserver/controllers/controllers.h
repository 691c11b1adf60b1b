/*
 * The controllers that run inside the API server, by kube-controller-manager's names
 * (--controllers). Each follows the committed writes, keeps a work queue and writes through the
 * same verbs as everybody. A controller never blocks: it looks, calls, and comes back when
 * something changed.
 */
#ifndef MANTA_APISERVER_CONTROLLERS_CONTROLLERS_H
#define MANTA_APISERVER_CONTROLLERS_CONTROLLERS_H

#include "apiserver/apiserver.h"

struct controllers;

struct controllers *api_controllers_start(struct apiserver *api); /* those that are enabled */
void controllers_stop(struct controllers *c);

/* One row: start gives what stop frees. */
struct controller {
    const char *name;
    void *(*start)(struct apiserver *api);
    void (*stop)(void *self);
};
extern const struct controller gc_controller, namespace_controller, serviceaccount_controller,
    root_ca_controller, endpoints_controller, endpointslice_controller, job_controller,
    ttl_controller;

#endif
