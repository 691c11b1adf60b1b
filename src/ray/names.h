/*
 * How upstream derives names from names (spec: raycluster §14). All results live in the arena.
 * Lengths are bytes; every odd cut is on purpose: names are found again by computing them again.
 */
#ifndef MANTA_RAY_NAMES_H
#define MANTA_RAY_NAMES_H

#include "base/arena.h"
#include "ray/options.h"

#define NAME_SUFFIX 5       /* letters of a generated suffix */
#define CLUSTER_NAME_MAX 53 /* 63 - strlen("-serve-svc") */

/* Keeps the last 50 bytes; a leading digit or punctuation becomes 'r'. */
const char *name_check(struct arena *a, const char *s);
/* Keeps the last 63 bytes; leading punctuation becomes 'r'. Label values and Job names. */
const char *name_check_label(struct arena *a, const char *s);
/* Keeps the first 51 - strlen(ns) bytes, then name_check. */
const char *name_check_route(struct arena *a, const char *s, const char *ns);
/* "<first 50 bytes of prefix>-head" or "-worker", in lower case, with a last '-' to generate from.
 */
const char *name_pod(struct arena *a, const char *prefix, const char *node_type, bool generate);
/* base cut to 58 bytes and a suffix from the words: same words, same name. */
const char *name_generate(struct arena *a, const char *base, const char *words);
/* Five letters of Kubernetes' alphabet that depend on the words alone. */
void name_suffix(const char *words, char out[NAME_SUFFIX + 1]);
/* "svc.ns.svc.cluster.local", or the domain of CLUSTER_DOMAIN. */
const char *name_fqdn(struct arena *a, const struct ray_options *o, const char *svc,
                      const char *ns);

#endif
