/* Options of the writing verbs: dryRun, fieldManager, fieldValidation, force. */
#include "apiserver/server.h"

#include <ctype.h>
#include <stdio.h>

static const char *const names[] = {
    [OPTIONS_CREATE] = "CreateOptions",
    [OPTIONS_UPDATE] = "UpdateOptions",
    [OPTIONS_PATCH] = "PatchOptions",
    [OPTIONS_DELETE] = "DeleteOptions",
};

static void check_dry_run(struct request *req)
{
    const char *v = request_param(req, "dryRun");

    if (!v || !*v)
        return;
    if (strcmp(v, "All") == 0)
        req->dry_run = true;
    else
        field_error_add(
            &req->errs, FIELD_NOT_SUPPORTED, "dryRun",
            arena_printf(&req->arena, "Unsupported value: [\"%s\"]: supported values: \"All\"", v));
}

static void check_field_validation(struct request *req)
{
    static const char *const words[] = {
        [VALIDATE_IGNORE] = "Ignore", [VALIDATE_WARN] = "Warn", [VALIDATE_STRICT] = "Strict"};
    const char *v = request_param(req, "fieldValidation");

    req->field_validation = VALIDATE_WARN;
    if (!v || !*v)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i], v) == 0) {
            req->field_validation = (enum field_validation)i;
            return;
        }
    }
    field_error_add(
        &req->errs, FIELD_NOT_SUPPORTED, "fieldValidation",
        arena_printf(&req->arena,
                     "Unsupported value: \"%s\": supported values: \"\", \"Ignore\", \"Strict\", "
                     "\"Warn\"",
                     v));
}

#define MANAGER_MAX 128

static const char *default_manager(struct request *req)
{
    struct slice agent = req->http ? http_header(req->http, "user-agent") : SLICE("manta"), name;

    if (!agent.n || !slice_cut(&agent, '/', &name))
        return "unknown";
    return arena_strndup(&req->arena, name.p, MIN(name.n, MANAGER_MAX));
}

static void check_manager(struct request *req)
{
    const char *v = request_param(req, "fieldManager");

    if (!v || !*v) {
        if (!*req->manager)
            req->manager = default_manager(req);
        return;
    }
    req->manager = v;
    if (strlen(v) > MANAGER_MAX)
        field_error_add(&req->errs, FIELD_TOO_LONG, "fieldManager",
                        "Too long: may not be more than 128 bytes");
    for (size_t i = 0; v[i]; i++) {
        if (iscntrl((unsigned char)v[i])) {
            field_invalid_str(&req->errs, "fieldManager", v,
                              arena_printf(&req->arena,
                                           "invalid character U+%04X (at position %zu)",
                                           (unsigned char)v[i], i));
            return;
        }
    }
}

/* Apply needs to know who applies; force belongs to it alone. */
static void check_patch(struct request *req)
{
    bool apply = strncmp(req->content_type, "application/apply-patch", 23) == 0;
    const char *manager = request_param(req, "fieldManager");

    if (apply && req->http && (!manager || !*manager))
        field_required(&req->errs, "fieldManager", "is required for apply patch");
    if (!apply && request_param(req, "force"))
        field_forbidden(&req->errs, "force", "may not be specified for non-apply patch");
}

struct status *options_parse(struct request *req, enum option_kind kind)
{
    check_dry_run(req);
    if (kind == OPTIONS_PATCH)
        check_patch(req);
    if (kind != OPTIONS_DELETE)
        check_field_validation(req);
    check_manager(req);
    return req->errs.n ? status_invalid_option(&req->arena, names[kind], &req->errs) : NULL;
}
