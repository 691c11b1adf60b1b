/*
 * Who asks: a client certificate signed by our CA, a token of the CSV file, or a service account's
 * token. Everybody known may do everything: RBAC's kinds are stored but not enforced.
 */
#include "net/ssl.h"

#include "apiserver/server.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/timefmt.h"

#include <stdio.h>

#define AUTHENTICATED "system:authenticated"

struct known {
    char *token, *name, *uid;
    char **groups; /* NULL-terminated, with system:authenticated last */
};

struct auth {
    struct apiserver *api;
    VEC(struct known) tokens;
};

/* ---- the CSV: token,user,uid,"group1,group2" ---- */

/* One field; quotes may enclose it, doubled quotes inside are one. */
static char *csv_field(struct slice *line)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    bool quoted = line->n && *line->p == '"';
    size_t i = quoted;

    for (; i < line->n; i++) {
        char c = line->p[i];

        if (quoted && c == '"') {
            if (i + 1 < line->n && line->p[i + 1] == '"')
                i++;
            else
                quoted = false;
            if (!quoted)
                continue;
        } else if (!quoted && c == ',') {
            break;
        }
        buf_addc(&b, c);
    }
    size_t used = MIN(i + 1, line->n);
    line->p += used;
    line->n -= used;
    return xstrdup(buf_str(&b));
}

static char **split_groups(const char *text)
{
    VEC(char *) groups = {0};
    struct slice rest = slice_of(text), part;

    while (slice_cut(&rest, ',', &part)) {
        part = slice_trim(part);
        if (part.n)
            vec_push(&groups, xstrndup(part.p, part.n));
    }
    vec_push(&groups, xstrdup(AUTHENTICATED));
    vec_push(&groups, NULL);
    return groups.v;
}

static int read_tokens(struct auth *auth, const char *path, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(4 << 20);
    struct slice rest, line;
    int number = 0, r = file_read(path, &text, err);

    if (r < 0)
        return r;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &line)) {
        number++;
        line = slice_trim(line);
        if (!line.n || *line.p == '#')
            continue;
        struct known k = {
            .token = csv_field(&line), .name = csv_field(&line), .uid = csv_field(&line)};
        autofree char *groups = csv_field(&line);
        k.groups = split_groups(groups);
        vec_push(&auth->tokens, k);
        if (!*k.token || !*k.name)
            return err_set(err, ERR_BAD_REQUEST, "%s, line %d: wants token,user,uid[,groups]", path,
                           number);
    }
    return 0;
}

int auth_new(struct apiserver *api, struct auth **ret, struct err *err)
{
    struct auth *auth = xnew(struct auth);
    int r = 0;

    auth->api = api;
    if (api->opts.token_auth_file)
        r = read_tokens(auth, api->opts.token_auth_file, err);
    if (r < 0) {
        auth_free(auth);
        return r;
    }
    *ret = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    for (size_t i = 0; i < auth->tokens.n; i++) {
        struct known *k = &auth->tokens.v[i];

        OPENSSL_cleanse(k->token, strlen(k->token));
        free(k->token);
        free(k->name);
        free(k->uid);
        for (char **g = k->groups; *g; g++)
            free(*g);
        free(k->groups);
    }
    vec_done(&auth->tokens);
    free(auth);
}

/* ---- the three ways ---- */

static bool by_certificate(struct request *req)
{
    const struct tls_peer *peer = http_peer_cert(req->http);

    if (!peer || !peer->verified || !*peer->cn)
        return false;
    const char **groups = arena_array(&req->arena, const char *, peer->norgs + 2);
    for (size_t i = 0; i < peer->norgs; i++)
        groups[i] = arena_strdup(&req->arena, peer->orgs[i]);
    groups[peer->norgs] = AUTHENTICATED;
    req->user =
        (struct user){.name = arena_strdup(&req->arena, peer->cn), .uid = "", .groups = groups};
    return true;
}

/* Every token is compared, in a time that does not tell how much of one was right. */
static bool by_file(const struct auth *auth, struct request *req, struct slice token)
{
    const struct known *found = NULL;

    for (size_t i = 0; i < auth->tokens.n; i++) {
        const struct known *k = &auth->tokens.v[i];

        if (strlen(k->token) == token.n && CRYPTO_memcmp(k->token, token.p, token.n) == 0)
            found = k;
    }
    if (!found)
        return false;
    req->user = (struct user){
        .name = found->name, .uid = found->uid, .groups = (const char *const *)found->groups};
    return true;
}

/* The account must still be there, with the UID that the token was made for. */
static bool account_exists(struct apiserver *api, const char *ns, const char *name, const char *uid)
{
    const struct resource *res = registry_find(&api->registry, "", "v1", "serviceaccounts");
    struct object *o autoobject = res ? storage_get(api->storage, res, ns, name) : NULL;

    return o && strcmp(o->uid, uid) == 0;
}

static bool by_service_account(const struct auth *auth, struct request *req, struct slice token)
{
    struct json *payload autojson = NULL;

    if (token_verify(auth->api->signer, token, &payload, NULL) < 0)
        return false;
    yyjson_val *root = json_root(payload), *claims = json_get(root, "kubernetes.io");
    const char *ns = json_get_str(claims, "namespace", "");
    const char *name = json_str_at(claims, "serviceaccount.name", "");
    const char *uid = json_str_at(claims, "serviceaccount.uid", "");
    if (json_int_at(root, "exp", 0) <= clock_wall_ns() / SECOND_NS ||
        !account_exists(auth->api, ns, name, uid))
        return false;
    const char **groups = arena_array(&req->arena, const char *, 4);
    groups[0] = "system:serviceaccounts";
    groups[1] = arena_printf(&req->arena, "system:serviceaccounts:%s", ns);
    groups[2] = AUTHENTICATED;
    req->user =
        (struct user){.name = arena_printf(&req->arena, "system:serviceaccount:%s:%s", ns, name),
                      .uid = arena_strdup(&req->arena, uid),
                      .groups = groups};
    return true;
}

bool auth_request(struct auth *auth, struct request *req)
{
    struct slice header = http_header(req->http, "authorization"), scheme;

    if (!header.p)
        return by_certificate(req);
    header = slice_trim(header);
    slice_cut(&header, ' ', &scheme);
    if (!slice_ieq(scheme, SLICE("bearer")))
        return by_certificate(req);
    header = slice_trim(header);
    return header.n && (by_file(auth, req, header) || by_service_account(auth, req, header));
}

char *api_sa_token(struct apiserver *api, const char *ns, const char *sa, const char *sa_uid,
                   const char *pod, const char *pod_uid, int64_t seconds)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    struct buf text cleanup(buf_done) = BUF_INIT;
    int64_t now = clock_wall_ns() / SECOND_NS;
    char subject[600], id[37];

    snprintf(subject, sizeof subject, "system:serviceaccount:%s:%s", ns, sa);
    rand_uuid(id);
    yyjson_mut_val *aud = json_put_arr(doc, root, "aud");
    yyjson_mut_arr_add_str(doc, aud, "https://kubernetes.default.svc.cluster.local");
    json_put_int(doc, root, "exp", now + seconds);
    json_put_int(doc, root, "iat", now);
    json_put_str(doc, root, "iss", "https://kubernetes.default.svc.cluster.local");
    json_put_str(doc, root, "jti", id);
    yyjson_mut_val *claims = json_put_obj(doc, root, "kubernetes.io");
    json_put_str(doc, claims, "namespace", ns);
    if (pod && *pod) {
        yyjson_mut_val *p = json_put_obj(doc, claims, "pod");

        json_put_str(doc, p, "name", pod);
        json_put_str(doc, p, "uid", pod_uid);
    }
    yyjson_mut_val *account = json_put_obj(doc, claims, "serviceaccount");
    json_put_str(doc, account, "name", sa);
    json_put_str(doc, account, "uid", sa_uid);
    json_put_int(doc, root, "nbf", now);
    json_put_str(doc, root, "sub", subject);
    json_mut_write(&text, root);
    return token_sign(api->signer, buf_slice(&text));
}
