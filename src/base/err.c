#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *reason;
    int http;
} codes[] = {{"", 0},
#define X(name, reason, http) {reason, http},
             ERR_CODES(X)
#undef X
};

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char old[sizeof err->msg];
    va_list ap;

    if (!err)
        return ERR_INTERNAL;
    memcpy(old, err->msg, sizeof old);
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->msg)
        snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", old);
    return err->code;
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
    int code = errnum == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->msg)
        snprintf(err->msg + n, sizeof err->msg - (size_t)n, ": %s", strerror(errnum));
    return code;
}

void err_clear(struct err *err)
{
    if (err) {
        err->code = 0;
        err->msg[0] = '\0';
    }
}

static size_t index_of(int code)
{
    size_t i = code < 0 ? (size_t)-code : 0;

    return i < ARRAY_SIZE(codes) ? i : 0;
}

const char *err_reason(int code)
{
    return codes[index_of(code)].reason;
}

int err_http(int code)
{
    return codes[index_of(code)].http;
}

int err_from_reason(const char *reason, int http)
{
    for (size_t i = 1; i < ARRAY_SIZE(codes); i++)
        if (reason && *reason && strcmp(codes[i].reason, reason) == 0)
            return -(int)i;
    for (size_t i = 1; i < ARRAY_SIZE(codes); i++)
        if (http && codes[i].http == http)
            return -(int)i;
    return ERR_INTERNAL;
}
