/*
 * Lists: of now, or of an old resourceVersion (exactly, or not older than), cut into pages. A
 * continue token holds the version of the first page and the last key, so that pages are one
 * consistent whole, or 410 once history has passed them.
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "data/field_error.h"

#include <stdio.h>

struct list {
    struct request *req;
    struct selection sel;
    int64_t limit; /* 0: none */
    uint64_t at;   /* 0: now */
    const char *after;
    int64_t now;
    struct buf out;
    size_t n, skipped; /* items written; items that there would be behind the limit */
    const char *last;  /* key of the last item written */
};

/* ---- resourceVersion and resourceVersionMatch ---- */

static void check_match(struct request *req, const char *rv, const char *match, bool paged)
{
    if (!match || !*match)
        return;
    if (!rv || !*rv)
        field_forbidden(&req->errs, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (paged)
        field_forbidden(&req->errs, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided");
    if (strcmp(match, "Exact") != 0 && strcmp(match, "NotOlderThan") != 0)
        field_error_add(
            &req->errs, FIELD_NOT_SUPPORTED, "resourceVersionMatch",
            arena_printf(
                &req->arena,
                "Unsupported value: \"%s\": supported values: \"Exact\", \"NotOlderThan\", "
                "\"\"",
                match));
    else if (rv && strcmp(match, "Exact") == 0 && strcmp(rv, "0") == 0)
        field_forbidden(&req->errs, "resourceVersionMatch",
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
}

struct status *status_version_too_large(struct request *req, uint64_t rv)
{
    struct status *st =
        status_new(&req->arena, ERR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                   (unsigned long long)rv, (unsigned long long)storage_rv(req->api->storage));
    struct cause *cause = arena_new(&req->arena, struct cause);

    *cause = (struct cause){.reason = "ResourceVersionTooLarge",
                            .message = "Too large resource version"};
    st->details = true;
    st->retry_after = 1;
    st->causes = cause;
    st->n_causes = 1;
    return st;
}

static struct status *expired(struct request *req)
{
    return status_new(&req->arena, ERR_EXPIRED,
                      "The resourceVersion for the provided list is too old.");
}

static struct status *read_version(struct list *l)
{
    struct request *req = l->req;
    const char *text = request_param(req, "resourceVersion"),
               *match = request_param(req, "resourceVersionMatch");
    int64_t rv = 0;
    bool exact;

    if (!text || !*text)
        return NULL;
    if (!slice_int64(slice_of(text), &rv) || rv < 0)
        return status_new(
            &req->arena, ERR_BAD_REQUEST,
            "invalid resource version: resourceVersion: Invalid value: \"%s\": strconv.ParseUint: "
            "parsing \"%s\": invalid syntax",
            text, text);
    if ((uint64_t)rv > storage_rv(req->api->storage))
        return status_version_too_large(req, (uint64_t)rv);
    /* with a limit and no match, an old version is meant exactly */
    exact = match && *match ? strcmp(match, "Exact") == 0 : l->limit > 0 && rv > 0;
    if (rv == 0)
        l->limit = 0; /* any version will do: answered from memory, whole */
    if (exact)
        l->at = (uint64_t)rv;
    return NULL;
}

/* ---- continue tokens: base64 of "v1/VERSION/KEY", opaque to clients ---- */

static const char hex[] = "0123456789abcdef";

static const char *make_token(struct arena *a, uint64_t rv, const char *key)
{
    struct buf plain cleanup(buf_done) = BUF_INIT, b cleanup(buf_done) = BUF_INIT;

    buf_printf(&plain, "1/%llu/%s", (unsigned long long)rv, key);
    for (size_t i = 0; i < plain.len; i++) {
        buf_addc(&b, hex[(unsigned char)plain.data[i] >> 4]);
        buf_addc(&b, hex[plain.data[i] & 15]);
    }
    return arena_strdup(a, buf_str(&b));
}

static struct status *read_token(struct list *l, const char *token)
{
    struct request *req = l->req;
    struct buf plain cleanup(buf_done) = BUF_INIT;
    struct slice rest, format, version;
    int64_t rv = 0;
    const char *high, *low;

    for (const char *p = token; *p && p[1]; p += 2) {
        high = strchr(hex, p[0]);
        low = strchr(hex, p[1]);
        if (!high || !low)
            break;
        buf_addc(&plain, (char)((high - hex) << 4 | (low - hex)));
    }
    rest = buf_slice(&plain);
    if (!slice_cut(&rest, '/', &format) || !slice_is(format, "1") ||
        !slice_cut(&rest, '/', &version) || !slice_int64(version, &rv) || !rest.n || rv < 0)
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "continue key is not valid: it was not made here");
    if (request_param(req, "resourceVersion") && *request_param(req, "resourceVersion"))
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "specifying resource version is not allowed when using continue");
    l->at = (uint64_t)rv;
    l->after = arena_strndup(&req->arena, rest.p, rest.n);
    return NULL;
}

/* ---- the list ---- */

static struct status *read_options(struct list *l)
{
    struct request *req = l->req;
    const char *token = request_param(req, "continue");
    struct status *st = query_int(req, "limit", &l->limit);
    bool paged = token && *token;

    if (!st)
        st = query_int(req, "timeoutSeconds", &(int64_t){0});
    if (st)
        return st;
    check_match(req, request_param(req, "resourceVersion"),
                request_param(req, "resourceVersionMatch"), paged);
    if (request_param(req, "sendInitialEvents"))
        field_forbidden(&req->errs, "sendInitialEvents", "sendInitialEvents is forbidden for list");
    if (req->errs.n)
        return status_invalid_option(&req->arena, "ListOptions", &req->errs);
    st = selection_parse(req, &l->sel);
    if (!st)
        st = paged ? read_token(l, token) : read_version(l);
    if (!st && req->view.rep == REP_PARTIAL)
        st = status_new(
            &req->arena, ERR_NOT_ACCEPTABLE,
            "you requested PartialObjectMetadata, but the requested object is a list (%s)",
            req->res->list_kind);
    return st;
}

static bool add(void *arg, const struct object *o)
{
    struct list *l = arg;

    if (!selection_has(&l->sel, o))
        return true;
    if (l->limit > 0 && l->n == (size_t)l->limit) {
        l->skipped++;
        return selection_is_everything(&l->sel); /* only then is the rest counted */
    }
    if (l->n++)
        buf_addc(&l->out, ',');
    view_item(&l->req->view, l->req->res, o, l->now, &l->out);
    l->last = o->key; /* valid until the walk ends: history and index hold it */
    return true;
}

static struct status *run(struct list *l)
{
    struct request *req = l->req;
    struct storage *s = req->api->storage;
    struct storage_scan scan = {.res = req->res, .ns = req->ns, .after = l->after, .at = l->at};
    struct list_meta meta = {.rv = l->at ? l->at : storage_rv(s), .remaining = -1};

    view_list_open(&req->view, req->res, &l->out);
    if (storage_each(s, &scan, add, l, NULL) < 0)
        return expired(req);
    if (l->skipped) {
        meta.next = make_token(&req->arena, meta.rv, l->last);
        meta.remaining = selection_is_everything(&l->sel) ? (int64_t)l->skipped : -1;
    }
    view_list_close(&req->view, req->res, &meta, &l->out);
    return NULL;
}

void verb_list(struct request *req)
{
    struct list l = {.req = req, .now = clock_wall_ns()};
    struct status *st = read_options(&l);

    if (!st)
        st = run(&l);
    selection_done(&l.sel);
    if (st)
        request_status(req, st);
    else
        request_json(req, 200, &l.out);
    buf_done(&l.out);
}
