#include "kube/status.h"

int status_error(yyjson_val *status, int http, struct slice body, struct err *err)
{
    const char *reason = json_get_str(status, "reason", "");
    const char *message = json_get_str(status, "message", NULL);
    int code = err_from_reason(reason, http);

    if (message)
        return err_set(err, code, "%s", message);
    body = slice_trim(body);
    if (body.n)
        return err_set(err, code, "HTTP %d: %.*s", http, (int)MIN(body.n, 300), body.p);
    return err_set(err, code, "HTTP %d", http);
}
