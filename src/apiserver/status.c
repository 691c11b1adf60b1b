#include "apiserver/status.h"

#include <stdarg.h>
#include <stdio.h>

void warnings_add(struct warnings *w, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < w->list.n; i++)
        if (strcmp(w->list.v[i], text) == 0)
            return;
    vec_push(&w->list, arena_strdup(w->arena, text));
}

void warnings_done(struct warnings *w)
{
    vec_done(&w->list);
}

static struct status *make(struct arena *a, int code, const char *message)
{
    struct status *st = arena_new(a, struct status);

    st->http = err_http(code) ? err_http(code) : 500;
    st->reason = err_http(code) ? err_reason(code) : "InternalError";
    st->message = message;
    return st;
}

struct status *status_new(struct arena *a, int code, const char *fmt, ...)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return make(a, code, arena_strdup(a, buf_str(&b)));
}

struct status *status_plain(struct arena *a, int http, const char *message)
{
    struct status *st = arena_new(a, struct status);

    st->http = http;
    st->reason = "";
    st->message = message;
    return st;
}

struct status *status_generic(struct arena *a, int code, const char *message)
{
    struct status *st = make(a, code, message);

    st->details = true;
    return st;
}

struct status *status_no_such_resource(struct arena *a)
{
    return status_generic(a, ERR_NOT_FOUND, "the server could not find the requested resource");
}

struct status *status_bad_method(struct arena *a)
{
    return status_generic(a, ERR_METHOD_NOT_ALLOWED,
                          "the server does not allow this method on the requested resource");
}

static const char *qualified(struct arena *a, const char *group, const char *plural)
{
    return *group ? arena_printf(a, "%s.%s", plural, group) : plural;
}

static struct status *about(struct status *st, const char *group, const char *kind,
                            const char *name)
{
    st->details = true;
    st->group = group;
    st->kind = kind;
    st->name = name;
    return st;
}

struct status *status_not_found(struct arena *a, const char *group, const char *plural,
                                const char *name)
{
    struct status *st =
        status_new(a, ERR_NOT_FOUND, "%s \"%s\" not found", qualified(a, group, plural), name);

    return about(st, group, plural, arena_strdup(a, name));
}

struct status *status_already_exists(struct arena *a, const char *group, const char *plural,
                                     const char *name)
{
    struct status *st = status_new(a, ERR_ALREADY_EXISTS, "%s \"%s\" already exists",
                                   qualified(a, group, plural), name);

    return about(st, group, plural, arena_strdup(a, name));
}

struct status *status_conflict(struct arena *a, const char *group, const char *plural,
                               const char *name, const char *why)
{
    struct status *st =
        status_new(a, ERR_CONFLICT, "Operation cannot be fulfilled on %s \"%s\": %s",
                   qualified(a, group, plural), name, why);

    return about(st, group, plural, arena_strdup(a, name));
}

struct status *status_forbidden(struct arena *a, const char *group, const char *plural,
                                const char *name, const char *why)
{
    struct status *st = *name ? status_new(a, ERR_FORBIDDEN, "%s \"%s\" is forbidden: %s",
                                           qualified(a, group, plural), name, why)
                              : status_new(a, ERR_FORBIDDEN, "%s is forbidden: %s",
                                           qualified(a, group, plural), why);

    return about(st, group, plural, arena_strdup(a, name));
}

struct status *status_invalid(struct arena *a, const char *group, const char *kind,
                              const char *name, const struct field_errors *errs)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct cause *causes = arena_array(a, struct cause, errs->n + 1);

    for (size_t i = 0; i < errs->n; i++) {
        causes[i].reason = field_error_reason(errs->v[i].type);
        causes[i].message = arena_strdup(a, errs->v[i].message);
        causes[i].field = arena_strdup(a, errs->v[i].field);
    }
    field_errors_text(errs, &text);
    struct status *st = status_new(a, ERR_INVALID, "%s \"%s\" is invalid: %s",
                                   qualified(a, group, kind), name, buf_str(&text));
    about(st, group, kind, arena_strdup(a, name));
    st->causes = causes;
    st->n_causes = errs->n;
    return st;
}

struct status *status_invalid_option(struct arena *a, const char *options,
                                     const struct field_errors *errs)
{
    return status_invalid(a, "meta.k8s.io", options, "", errs);
}

struct status *status_from_err(struct arena *a, const struct err *err)
{
    return status_new(a, err->code, "%s", err->msg);
}

struct status *status_success(struct arena *a, const char *group, const char *plural,
                              const char *name, const char *uid)
{
    struct status *st = arena_new(a, struct status);

    st->http = 200;
    st->reason = "";
    st->uid = arena_strdup(a, uid);
    return about(st, group, plural, arena_strdup(a, name));
}

/* ---- as JSON ---- */

static void add_text(struct buf *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";

    buf_addc(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            buf_addc(out, '\\');
            buf_addc(out, (char)*p);
        } else if (*p == '\n') {
            buf_adds(out, "\\n");
        } else if (*p < 0x20) {
            buf_printf(out, "\\u00%c%c", hex[*p >> 4], hex[*p & 15]);
        } else {
            buf_addc(out, (char)*p);
        }
    }
    buf_addc(out, '"');
}

/* Adds "key":"value" unless value is empty; *first says whether a comma is needed. */
static void add_member(struct buf *out, bool *first, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, "%s\"%s\":", *first ? "" : ",", key);
    add_text(out, value);
    *first = false;
}

static void add_causes(const struct status *st, struct buf *out, bool *first)
{
    if (!st->n_causes)
        return;
    buf_printf(out, "%s\"causes\":[", *first ? "" : ",");
    for (size_t i = 0; i < st->n_causes; i++) {
        bool none = true;

        buf_adds(out, i ? ",{" : "{");
        add_member(out, &none, "reason", st->causes[i].reason);
        add_member(out, &none, "message", st->causes[i].message);
        add_member(out, &none, "field", st->causes[i].field);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    *first = false;
}

static void add_details(const struct status *st, struct buf *out)
{
    bool first = true;

    buf_adds(out, ",\"details\":{");
    add_member(out, &first, "name", st->name);
    add_member(out, &first, "group", st->group);
    add_member(out, &first, "kind", st->kind);
    add_member(out, &first, "uid", st->uid);
    add_causes(st, out, &first);
    if (st->retry_after)
        buf_printf(out, "%s\"retryAfterSeconds\":%d", first ? "" : ",", st->retry_after);
    buf_addc(out, '}');
}

void status_write(const struct status *st, struct buf *out)
{
    bool failed = st->http >= 400, first = false;

    buf_printf(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"%s\"",
               failed ? "Failure" : "Success");
    add_member(out, &first, "message", st->message);
    add_member(out, &first, "reason", st->reason);
    if (st->details)
        add_details(st, out);
    if (failed ||
        st->http == 201) /* of what was created without an object: a binding, an eviction */
        buf_printf(out, ",\"code\":%d", st->http);
    buf_adds(out, "}\n");
}
