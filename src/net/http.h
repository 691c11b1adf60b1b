/* Words that server and client share: header fields and status texts. */
#ifndef MANTA_NET_HTTP_H
#define MANTA_NET_HTTP_H

#include "base/slice.h"

/* A header field; both slices are borrowed. Names are sent in lower case under HTTP/2. */
struct http_field {
    struct slice name, value;
};

#define HTTP_FIELD(n, v)                                                                           \
    {                                                                                              \
        SLICE(n), slice_of(v)                                                                      \
    } /* n a literal, v a C string */

const char *http_status_text(int status); /* "Not Found"; "Unknown" for what has none */

/* True if a field's value is a comma-separated list that holds token, case ignored. */
bool http_list_has(struct slice list, const char *token);

/* Field names are tokens, values hold no control byte except tab (RFC 9110, 5.5). */
bool http_field_valid(struct slice name, struct slice value);

#endif
