/* The Accept header: which media type, and as which kind (Table, PartialObjectMetadata). */
#include "apiserver/server.h"

struct clause {
    struct slice type, as, version, group;
    int q; /* thousandths */
};

static int quality(struct slice value)
{
    int q = 0, scale = 1000;

    if (!value.n || value.p[0] < '0' || value.p[0] > '1')
        return 1000;
    q = (value.p[0] - '0') * 1000;
    for (size_t i = 2; i < value.n && i < 5; i++) {
        scale /= 10;
        q += (value.p[i] - '0') * scale;
    }
    return q;
}

static struct clause read_clause(struct slice text)
{
    struct clause c = {.q = 1000};
    struct slice part, key;

    slice_cut(&text, ';', &part);
    c.type = slice_trim(part);
    while (slice_cut(&text, ';', &part)) {
        struct slice value = slice_trim(part);

        if (!slice_cut(&value, '=', &key))
            continue;
        if (slice_is(key, "as"))
            c.as = value;
        else if (slice_is(key, "v"))
            c.version = value;
        else if (slice_is(key, "g"))
            c.group = value;
        else if (slice_is(key, "q"))
            c.q = quality(value);
    }
    return c;
}

static const struct {
    const char *type;
    enum encoding encoding;
} types[] = {
    {"application/json", ENCODE_JSON},
    {"*/*", ENCODE_JSON},
    {"application/yaml", ENCODE_YAML},
    {"application/vnd.kubernetes.protobuf", ENCODE_PROTOBUF},
};

static const struct {
    const char *as;
    enum representation rep;
} kinds[] = {
    {"", REP_OBJECT},
    {"Table", REP_TABLE},
    {"PartialObjectMetadata", REP_PARTIAL},
    {"PartialObjectMetadataList", REP_PARTIAL_LIST},
};

/* 0: not this one; -1: the type is fine, the kind is not; 1: taken. */
static int take_clause(const struct clause *c, struct view *v)
{
    size_t t, k;

    for (t = 0; t < ARRAY_SIZE(types) && !slice_is(c->type, types[t].type); t++)
        continue;
    if (t == ARRAY_SIZE(types))
        return 0;
    for (k = 0; k < ARRAY_SIZE(kinds) && !slice_is(c->as, kinds[k].as); k++)
        continue;
    bool beta = slice_is(c->version, "v1beta1");
    if (k == ARRAY_SIZE(kinds) ||
        (k > 0 && (!slice_is(c->group, "meta.k8s.io") || (!beta && !slice_is(c->version, "v1")))))
        return -1;
    v->encoding = types[t].encoding;
    v->rep = kinds[k].rep;
    v->beta = k > 0 && beta;
    return 1;
}

/* Protobuf is only an envelope around JSON here: whatever else is accepted comes first. */
static int take_best(struct slice accept, struct view *v)
{
    int best = -2, result = 0;

    for (int protobuf = 0; protobuf < 2 && result != 1; protobuf++) {
        struct slice rest = accept, part;

        best = -1;
        while (slice_cut(&rest, ',', &part)) {
            struct clause c = read_clause(part);
            struct view candidate = *v;
            int r = take_clause(&c, &candidate);

            if (r == 1 && (candidate.encoding == ENCODE_PROTOBUF) != protobuf)
                continue;
            if (r == 1 && c.q > best) {
                best = c.q;
                *v = candidate;
                result = 1;
            } else if (r == -1 && result == 0) {
                result = -1;
            }
        }
    }
    return result;
}

static struct status *include_parse(struct request *req)
{
    const char *include = request_param(req, "includeObject");

    if (!include || !*include || strcmp(include, "Metadata") == 0)
        req->view.include = INCLUDE_METADATA;
    else if (strcmp(include, "Object") == 0)
        req->view.include = INCLUDE_OBJECT;
    else if (strcmp(include, "None") == 0)
        req->view.include = INCLUDE_NONE;
    else if (req->view.rep == REP_TABLE)
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "Unable to convert to Table as requested: includeObject: Invalid value: "
                          "\"%s\": must be "
                          "'Metadata', 'Object', 'None', or empty",
                          include);
    return NULL;
}

#define SPOKEN "application/json, application/yaml, application/vnd.kubernetes.protobuf"

struct status *accept_parse(struct request *req)
{
    struct slice accept = slice_trim(slice_of(req->accept));
    const char *pretty = request_param(req, "pretty");

    if (accept.n) {
        struct view v = {0};
        int r = take_best(accept, &v);

        if (r == -1)
            return status_new(&req->arena, ERR_NOT_ACCEPTABLE,
                              "only the following media types are accepted: " SPOKEN);
        if (r == 0)
            return status_generic(&req->arena, ERR_NOT_ACCEPTABLE,
                                  "406: Not Acceptable\n\nAvailable representations: " SPOKEN);
        req->view = v;
    }
    if (pretty && *pretty && strcmp(pretty, "0") != 0 && strcmp(pretty, "false") != 0 &&
        req->view.encoding == ENCODE_JSON)
        req->view.encoding = ENCODE_PRETTY;
    return include_parse(req);
}
