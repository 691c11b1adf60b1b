/*
 * The planner of certificates (spec: raycluster §12.5): issuers and a CA once, leaf certificates
 * that follow the pods' addresses, and Secrets that go with their certificates.
 */
#include "ray/build/edit.h"
#include "ray/build/security.h"
#include "ray/plan/pass.h"

#include "base/timefmt.h"

#include <stdlib.h>
#include <string.h>

#define API_CERT_MANAGER "cert-manager.io/v1"

static const char *const certs[] = {TLS_CA_CERT, TLS_HEAD_CERT, TLS_WORKER_CERT};

static yyjson_val *get_cert(struct pass *x, const char *prefix)
{
    return snap_get(x->s, KIND_CERTIFICATE, x->c.ns,
                    arena_printf(x->a, "%s-%s", prefix, x->c.name));
}

static struct note failed_note(struct pass *x, const char *what)
{
    return (struct note){.warning = true,
                         .reason = "MTLSFailedToReconcile",
                         .action = "Reconcile",
                         .text = arena_printf(x->a, "Failed to reconcile %s", what),
                         .append_error = true};
}

static void ensure(struct pass *x, enum ray_kind kind, yyjson_mut_val *want)
{
    static const struct words words = {"PKI object", NULL, NULL, NULL};
    const char *name = json_mut_str_at(want, "metadata.name", "");
    struct action *a;

    if (snap_get(x->s, kind, x->c.ns, name))
        return;
    a = pass_create(x, kind, want, &words);
    a->ignore_exists = true;
    a->failed = failed_note(x, name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 127.0.0.1 and the addresses of the pods that live, sorted, each once. */
static const char **addresses(struct pass *x, const char *node_type)
{
    struct pods pods = pass_pods(x, LABEL_NODE_TYPE, node_type);
    const char **ips = arena_array(x->a, const char *, pods.n + 2);
    size_t n = 0, kept = 0;

    ips[n++] = "127.0.0.1";
    for (size_t i = 0; i < pods.n; i++) {
        const char *phase = json_str_at(pods.v[i], "status.phase", "");
        const char *ip = json_str_at(pods.v[i], "status.podIP", "");

        if (*ip && !object_deleting(pods.v[i]) && strcmp(phase, "Succeeded") != 0 &&
            strcmp(phase, "Failed") != 0)
            ips[n++] = ip;
    }
    qsort(ips, n, sizeof *ips, by_text);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(ips[i], ips[kept - 1]) != 0)
            ips[kept++] = ips[i];
    ips[kept] = NULL;
    return ips;
}

static bool has(yyjson_val *list, const char *s)
{
    json_each(list, v, i, n)
        if (!strcmp(json_str(v, ""), s))
            return true;
    return false;
}

static bool same_set(yyjson_val *a, yyjson_val *b)
{
    json_each(a, v, i, n)
        if (!has(b, json_str(v, "")))
            return false;
    json_each(b, w, k, m)
        if (!has(a, json_str(w, "")))
            return false;
    return true;
}

static void update(struct pass *x, yyjson_val *live, yyjson_mut_val *want)
{
    struct json *wanted autojson = json_freeze(want);
    yyjson_val *w = json_root(wanted);
    yyjson_mut_val *body;
    struct action *a;

    if (json_equal(json_at(live, "metadata.labels"), json_at(w, "metadata.labels")) &&
        same_set(json_at(live, "spec.dnsNames"), json_at(w, "spec.dnsNames")) &&
        same_set(json_at(live, "spec.ipAddresses"), json_at(w, "spec.ipAddresses")))
        return;
    plan_event(x->p, false, "MTLSCertificatesUpdated", "Update",
               "Certificate %s/%s follows the addresses of the Pods", x->c.ns, object_name(live));
    body = json_thaw(x->p->doc, live);
    json_put(x->p->doc, json_mut_get(body, "metadata"), "labels",
             json_thaw(x->p->doc, json_at(w, "metadata.labels")));
    json_put(x->p->doc, body, "spec", json_thaw(x->p->doc, json_get(w, "spec")));
    a = plan_action(x->p, ACT_UPDATE, KIND_CERTIFICATE);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = body;
    a->why = "the addresses of the Pods changed";
    a->failed = failed_note(x, a->name);
}

/* A Secret goes when its certificate goes. */
static void own_secret(struct pass *x, yyjson_val *cert)
{
    const char *name = json_str_at(cert, "spec.secretName", "");
    const char *uid = json_str_at(cert, "metadata.uid", "");
    yyjson_val *secret = snap_get(x->s, KIND_SECRET, x->c.ns, name);
    yyjson_mut_val *body, *refs;
    struct action *a;

    if (!secret)
        return;
    json_each(json_at(secret, "metadata.ownerReferences"), ref, i, n)
        if (!strcmp(json_get_str(ref, "uid", ""), uid))
            return;
    body = build_object(x->p, KIND_SECRET, x->c.ns, name);
    refs = edit_list(x->p->doc, json_mut_get(body, "metadata"), "ownerReferences");
    edit_append_all(x->p->doc, refs, json_at(secret, "metadata.ownerReferences"));
    build_owner(x->p, body, cert, false);
    a = plan_action(x->p, ACT_MERGE, KIND_SECRET);
    a->ns = x->c.ns;
    a->name = name;
    a->body = body;
    a->ignore_not_found = true;
    a->why = "the Secret belongs to its certificate";
    a->failed = failed_note(x, name);
}

static void leaf(struct pass *x, bool head)
{
    const char *fqdn = cluster_fqdn(x->a, &x->c);
    const char *dns[3] = {"localhost", head ? fqdn : NULL, NULL};
    yyjson_val *live = get_cert(x, head ? TLS_HEAD_CERT : TLS_WORKER_CERT);
    yyjson_mut_val *want;

    if (head)
        qsort(dns, 2, sizeof *dns, by_text);
    want = build_leaf_certificate(x->p, &x->c, head, dns,
                                  addresses(x, head ? NODE_HEAD : NODE_WORKER));
    if (live)
        update(x, live, want);
    else
        ensure(x, KIND_CERTIFICATE, want);
}

static bool concerned(const struct cluster *c)
{
    return c->o->cert_manager && !cluster_deleting(c) && !cluster_external(c) && cluster_tls(c);
}

static void plan_mtls(struct snapshot *s, struct plan *p)
{
    struct pass x = {.s = s, .p = p, .a = &p->arena, .c = cluster_view(s->object, s->options)};

    if (!concerned(&x.c)) {
        p->done = true;
        return;
    }
    x = pass_begin(s, p);
    ensure(&x, KIND_ISSUER, build_issuer(p, &x.c, true));
    ensure(&x, KIND_CERTIFICATE, build_ca_certificate(p, &x.c));
    ensure(&x, KIND_ISSUER, build_issuer(p, &x.c, false));
    leaf(&x, true);
    leaf(&x, false);
    for (size_t i = 0; i < ARRAY_SIZE(certs); i++)
        if (get_cert(&x, certs[i]))
            own_secret(&x, get_cert(&x, certs[i]));
}

static bool ready(yyjson_val *cert)
{
    json_each(json_at(cert, "status.conditions"), cond, i, n)
        if (!strcmp(json_get_str(cond, "type", ""), "Ready"))
            return !strcmp(json_get_str(cond, "status", ""), "True");
    return false;
}

static void warn_expiry(struct pass *x)
{
    for (size_t i = 0; i < ARRAY_SIZE(certs); i++) {
        yyjson_val *cert = get_cert(x, certs[i]);
        const char *text = json_str_at(cert, "status.notAfter", "");
        int64_t end;

        if (time_parse(slice_of(text), &end) && end - x->s->now_ns < 24 * 3600 * SECOND_NS)
            plan_event(x->p, true, "MTLSCertificateExpiringSoon", "Reconcile",
                       "Certificate %s/%s expires at %s", x->c.ns, object_name(cert), text);
    }
}

static void finish_mtls(struct snapshot *s, const struct outcome *o, struct plan *p)
{
    struct pass x = {.s = s, .p = p, .a = &p->arena, .c = cluster_view(s->object, s->options)};

    p->done = true;
    if (o->failed) {
        p->error = o->error;
        return;
    }
    if (!ready(get_cert(&x, TLS_HEAD_CERT)) || !ready(get_cert(&x, TLS_WORKER_CERT))) {
        plan_event(p, false, "MTLSCertsNotReady", "Reconcile",
                   "The certificates of RayCluster %s/%s are not ready yet", x.c.ns, x.c.name);
        p->requeue_ns = 30 * SECOND_NS;
        return;
    }
    plan_event(p, false, "MTLSPKIReady", "Reconcile",
               "The certificates of RayCluster %s/%s are ready", x.c.ns, x.c.name);
    warn_expiry(&x);
    p->requeue_ns = 60 * SECOND_NS;
}

const struct planner mtls_planner = {
    .kind = KIND_RAYCLUSTER,
    .controller = "raycluster-mtls-controller",
    .plan = plan_mtls,
    .finish = finish_mtls,
};
