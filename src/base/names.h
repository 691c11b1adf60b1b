/*
 * The syntax of Kubernetes names (k8s.io/apimachinery validation), and the alphabet of generated
 * suffixes. Each check returns NULL when s is fine, or Kubernetes' own sentence about what is
 * wrong.
 */
#ifndef MANTA_BASE_NAMES_H
#define MANTA_BASE_NAMES_H

#include "base/slice.h"

#define NAME_ALPHABET "bcdfghjklmnpqrstvwxz2456789"

const char *name_dns1123_label(struct slice s);     /* [a-z0-9]([-a-z0-9]*[a-z0-9])?, ≤ 63 */
const char *name_dns1123_subdomain(struct slice s); /* labels joined by dots, ≤ 253 */
const char *name_dns1035_label(struct slice s);     /* starts with a letter, ≤ 63 */
const char *name_qualified(struct slice s);   /* [prefix/]name, as label and annotation keys */
const char *name_label_value(struct slice s); /* empty or ≤ 63 of [-A-Za-z0-9_.] */

#endif
