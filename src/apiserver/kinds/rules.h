/*
 * Validation as data: a kind's rules are a list of rows (path, check, arguments), evaluated in
 * order over an object; each adds field errors. A row looks at one place or, where its path has
 * "[]" or "{}", at every item of a list or every value of a map there. Rows nest: RULES applies
 * another list at a place, so a container's rules are written once.
 *
 *     static const struct rule lease_rules[] = {
 *         {"spec.leaseDurationSeconds", check_min, .min = 1, .text = "must be greater than 0"},
 *         {NULL}};
 *
 * Paths: members joined by dots. "" is the place itself. A row whose path leads through an absent
 * member is skipped; with a last member that is absent its check runs with site->v NULL. "[]" may
 * end any member ("ports[].name"), "{}" too ("limits{}").
 *
 * Checks are pure: they see the new and the old object, and add to check->errs. The words are
 * k8s.io/kubernetes' (pkg/apis/.../validation), which clients show.
 */
#ifndef MANTA_APISERVER_KINDS_RULES_H
#define MANTA_APISERVER_KINDS_RULES_H

#include "apiserver/resources.h"

/* One evaluation. */
struct check {
    struct field_errors *errs;
    struct buf path;             /* of the place that is looked at */
    yyjson_val *root, *old_root; /* the objects; old_root is NULL on create */
    const struct change *change; /* NULL in unit tests */
};

/* The place. v, old and parent may be NULL. */
struct site {
    yyjson_val *v, *old;             /* what is there now, what was there */
    yyjson_val *parent, *old_parent; /* the object or list that holds it */
    const char *path;                /* "spec.containers[0].name" */
    size_t index;                    /* of the item, where the last step was "[]" */
};

struct rule;
typedef void check_fn(struct check *c, const struct rule *r, const struct site *s);

struct rule {
    const char *path; /* NULL ends a list */
    check_fn *check;
    const char *text;         /* detail of the message, or words "A|B", as the check says */
    const struct rule *rules; /* for check_rules */
    int64_t min, max;
    const char *(*name)(struct slice); /* for check_name */
};

/* Applies rules at a place; prefix is its path. */
void rules_apply(struct check *c, const struct rule *rules, yyjson_val *v, yyjson_val *old,
                 const char *prefix);

/* ---- checks of any kind ---- */
check_fn check_rules;    /* the list r->rules, where something is there */
check_fn check_required; /* absent or empty: Required, detail r->text */
check_fn check_present;  /* absent only */
check_fn check_min; /* number < r->min: Invalid; r->text or "must be greater than or equal to 0" */
check_fn check_range;       /* outside r->min … r->max: "must be between A and B, inclusive" */
check_fn check_port;        /* required, 1 … 65535 */
check_fn check_enum;        /* non-empty and none of r->text "A|B": NotSupported */
check_fn check_enum_needed; /* the same; absent or empty is Required */
check_fn check_name;        /* a non-empty string that r->name refuses: Invalid */
check_fn check_name_needed; /* the same; absent or empty is Required */
check_fn check_immutable;   /* on update, differs from what was there: "field is immutable" */
check_fn check_unique;      /* a list whose items repeat member r->text: Duplicate at item.member */
check_fn check_forbidden;   /* is there: Forbidden, r->text */
check_fn check_max_len;     /* a string longer than r->max: TooLong */
check_fn check_labels;      /* a map of labels */
check_fn check_annotations;
check_fn check_label_selector; /* a LabelSelector */
check_fn check_env_name;
check_fn check_quantity_nonneg; /* a quantity below zero */
check_fn check_absolute; /* a string that does not start with a slash, if not empty: r->text */
check_fn check_port_number_or_name; /* int or string: a port, or an IANA service name */
check_fn check_percent_or_int;      /* int or string: not negative, or a percentage */
check_fn check_ip;
check_fn check_pod_address; /* an address that no pod can have (small.c) */
check_fn check_hundred;     /* a percentage over 100% */

/* ---- for checks ---- */
void check_add_invalid(struct check *c, const struct site *s, const char *detail);
/* "path.member" and "path[i]" in the check's scratch memory, valid until the next call of either.
 */
const char *check_at(struct check *c, const char *path, const char *fmt, ...) printf_like(3, 4);
bool str_in(const char *word, const char *list); /* list is "A|B|C" */

/* IANA service name: [a-z0-9-], ≤ 15, a letter somewhere, no double or outer hyphen; or why not. */
const char *name_service_port(struct slice s);
/* A container's or volume's name etc.: a DNS-1123 label. */
const char *name_env(struct slice s);
const char *name_config_key(struct slice s);
bool is_ip(const char *s); /* IPv4 or IPv6 literal */
bool is_cidr(const char *s);

/* ---- hooks that use the tables (kinds/hooks.h) ---- */
void kind_apply_defaults(struct change *ch);
void kind_prepare(struct change *ch);
void kind_validate(struct change *ch);

#endif
