/*
 * `manta operator`: a drop-in for kuberay-operator (spec: platform §1.5). A small supervisor
 * (supervisor.h) and a worker: options, API server, leader election, controllers, health and
 * metrics.
 */
#ifndef MANTA_OPERATOR_OPERATOR_H
#define MANTA_OPERATOR_OPERATOR_H

#include "base/macro.h"

int verb_operator(int argc, char **argv);

#endif
