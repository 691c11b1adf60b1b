/*
 * Answers that are not objects: Kubernetes' Status. Wording follows k8s.io/apimachinery
 * (api/errors); the field errors of a 422 are collected as data/field_error.h has them. Everything
 * lives in the arena that it was made with (that of the request).
 */
#ifndef MANTA_APISERVER_STATUS_H
#define MANTA_APISERVER_STATUS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "data/field_error.h"

struct cause {
    const char *reason;  /* "FieldValueInvalid" */
    const char *message; /* "Invalid value: -1: must be …" */
    const char *field;   /* "spec.replicas"; "" for the whole object */
};

/*
 * Warning headers of one answer (299 - "text"); the same text is kept once.
 */
struct warnings {
    struct arena *arena;
    VEC(const char *) list;
};
void warnings_add(struct warnings *w, const char *fmt, ...) printf_like(2, 3);
void warnings_done(struct warnings *w);

struct status {
    int http;           /* 404 */
    const char *reason; /* "NotFound"; "" for none */
    const char *message;
    /* details; absent where NULL, all of them absent gives "details": {} or nothing as Kubernetes
     * does */
    bool details;
    const char *name, *group, *kind, *uid;
    int retry_after; /* seconds, 0 for none */
    const struct cause *causes;
    size_t n_causes;
};

/* Makers. kind in details is the plural ("pods") but for Invalid, where it is the Kind ("Pod"). */
struct status *status_new(struct arena *a, int code, const char *fmt, ...) printf_like(3, 4);
/* Without a reason, as errors that Kubernetes has no name for: {"code":500,"message":…}. */
struct status *status_plain(struct arena *a, int http, const char *message);
/* With "details":{}; and the two most frequent of this kind. */
struct status *status_generic(struct arena *a, int code, const char *message);
struct status *status_no_such_resource(struct arena *a);
struct status *status_bad_method(struct arena *a);
struct status *status_not_found(struct arena *a, const char *group, const char *plural,
                                const char *name);
struct status *status_already_exists(struct arena *a, const char *group, const char *plural,
                                     const char *name);
struct status *status_conflict(struct arena *a, const char *group, const char *plural,
                               const char *name, const char *why);
struct status *status_forbidden(struct arena *a, const char *group, const char *plural,
                                const char *name, const char *why);
struct status *status_invalid(struct arena *a, const char *group, const char *kind,
                              const char *name, const struct field_errors *errs);
/* options: "CreateOptions", "ListOptions", … */
struct status *status_invalid_option(struct arena *a, const char *options,
                                     const struct field_errors *errs);
struct status *status_from_err(struct arena *a, const struct err *err);
struct status *status_success(struct arena *a, const char *group, const char *plural,
                              const char *name, const char *uid);

void status_write(const struct status *st, struct buf *out); /* as JSON */

#endif
