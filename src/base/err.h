/*
 * Why something failed: a code that maps to one Kubernetes Status reason, and a message for a
 * person. A function that can fail returns 0 or a negative code and takes `struct err *err` last;
 * err may be NULL when the caller needs no message. Libraries neither log nor exit.
 *
 *     if (!f) return err_set(err, ERR_NOT_FOUND, "no context named \"%s\"", name);
 *     if (r < 0) return err_wrap(err, "reading %s", path);
 */
#ifndef MANTA_BASE_ERR_H
#define MANTA_BASE_ERR_H

#include "base/macro.h"

/* code, Status reason, HTTP status */
#define ERR_CODES(X)                                                                               \
    X(INTERNAL, "InternalError", 500)                                                              \
    X(BAD_REQUEST, "BadRequest", 400)                                                              \
    X(UNAUTHORIZED, "Unauthorized", 401)                                                           \
    X(FORBIDDEN, "Forbidden", 403)                                                                 \
    X(NOT_FOUND, "NotFound", 404)                                                                  \
    X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405)                                                 \
    X(NOT_ACCEPTABLE, "NotAcceptable", 406)                                                        \
    X(TIMEOUT, "Timeout", 504)                                                                     \
    X(ALREADY_EXISTS, "AlreadyExists", 409)                                                        \
    X(CONFLICT, "Conflict", 409)                                                                   \
    X(GONE, "Gone", 410)                                                                           \
    X(EXPIRED, "Expired", 410)                                                                     \
    X(TOO_LARGE, "RequestEntityTooLarge", 413)                                                     \
    X(UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", 415)                                         \
    X(INVALID, "Invalid", 422)                                                                     \
    X(TOO_MANY_REQUESTS, "TooManyRequests", 429)                                                   \
    X(UNAVAILABLE, "ServiceUnavailable", 503)                                                      \
    X(IO, "", 0)        /* the operating system or the network said no */                          \
    X(CANCELLED, "", 0) /* given up on request of the caller */                                    \
    X(LOST, "", 0)      /* sent, but the connection died before the answer: it may have happened */

enum err_code {
    ERR_NONE,
#define X(name, reason, http) ERR_##name##_,
    ERR_CODES(X)
#undef X
};
enum {
#define X(name, reason, http) ERR_##name = -(int)ERR_##name##_,
    ERR_CODES(X)
#undef X
};

struct err {
    int code; /* 0 or negative */
    char msg[1024];
};

/* Sets the message and returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) printf_like(3, 4);
/* Puts "context: " before the message and returns the code that is set. */
int err_wrap(struct err *err, const char *fmt, ...) printf_like(2, 3);
/* ERR_IO with ": strerror(errnum)" appended; ENOENT gives ERR_NOT_FOUND. */
int err_errno(struct err *err, int errnum, const char *fmt, ...) printf_like(3, 4);
void err_clear(struct err *err);

const char *err_reason(int code);                  /* "NotFound"; "" for codes of no Status */
int err_http(int code);                            /* 404; 0 for codes of no Status */
int err_from_reason(const char *reason, int http); /* the code of a Status; INTERNAL if unknown */

#endif
