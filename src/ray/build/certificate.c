/* Issuers and Certificates of a cluster (spec: raycluster §12.5). */
#include "ray/build/edit.h"
#include "ray/build/security.h"

#include <stdlib.h>
#include <string.h>

#define CERT_MANAGER "cert-manager.io"

const char *tls_ca_secret(struct arena *a, const struct cluster *c)
{
    return arena_printf(a, "%s-ca-secret-%.8s", c->name, c->uid);
}

static yyjson_mut_val *begin(struct plan *p, const struct cluster *c, enum ray_kind kind,
                             const char *prefix, const char *component)
{
    yyjson_mut_val *o =
        build_object(p, kind, c->ns, arena_printf(&p->arena, "%s-%s", prefix, c->name));

    json_put_str(p->doc, build_labels(p, o, c), LABEL_COMPONENT, component);
    build_owner(p, o, c->obj, true);
    json_put_obj(p->doc, o, "spec");
    return o;
}

yyjson_mut_val *build_issuer(struct plan *p, const struct cluster *c, bool self_signed)
{
    yyjson_mut_val *o = self_signed ? begin(p, c, KIND_ISSUER, TLS_SELF_ISSUER, "selfsigned-issuer")
                                    : begin(p, c, KIND_ISSUER, TLS_CA_ISSUER, "ca-issuer");

    if (self_signed)
        json_ensure(p->doc, o, "spec.selfSigned");
    else
        json_put_str(p->doc, json_ensure(p->doc, o, "spec.ca"), "secretName",
                     tls_ca_secret(&p->arena, c));
    return o;
}

static void put_times(struct plan *p, yyjson_mut_val *spec, const char *duration,
                      const char *renew_before)
{
    json_put_str(p->doc, spec, "duration", duration);
    json_put_str(p->doc, spec, "renewBefore", renew_before);
}

static void put_issuer(struct plan *p, const struct cluster *c, yyjson_mut_val *spec,
                       const char *prefix)
{
    yyjson_mut_val *ref = json_put_obj(p->doc, spec, "issuerRef");

    json_put_str(p->doc, ref, "name", arena_printf(&p->arena, "%s-%s", prefix, c->name));
    json_put_str(p->doc, ref, "kind", "Issuer");
    json_put_str(p->doc, ref, "group", CERT_MANAGER);
}

yyjson_mut_val *build_ca_certificate(struct plan *p, const struct cluster *c)
{
    yyjson_mut_val *o = begin(p, c, KIND_CERTIFICATE, TLS_CA_CERT, "ca-certificate");
    yyjson_mut_val *spec = json_mut_get(o, "spec"), *key;

    json_put_str(p->doc, spec, "commonName", arena_printf(&p->arena, "ray-ca-%s", c->name));
    put_times(p, spec, "87600h0m0s", "720h0m0s");
    json_put_str(p->doc, spec, "secretName", tls_ca_secret(&p->arena, c));
    put_issuer(p, c, spec, TLS_SELF_ISSUER);
    json_put_bool(p->doc, spec, "isCA", true);
    edit_put_strings(p->doc, spec, "usages", (const char *[]){"cert sign", "crl sign", NULL});
    key = json_put_obj(p->doc, spec, "privateKey");
    json_put_str(p->doc, key, "algorithm", "RSA");
    json_put_int(p->doc, key, "size", 4096);
    return o;
}

yyjson_mut_val *build_leaf_certificate(struct plan *p, const struct cluster *c, bool head,
                                       const char *const *dns, const char *const *ips)
{
    yyjson_mut_val *o = head ? begin(p, c, KIND_CERTIFICATE, TLS_HEAD_CERT, "head-certificate")
                             : begin(p, c, KIND_CERTIFICATE, TLS_WORKER_CERT, "worker-certificate");
    yyjson_mut_val *spec = json_mut_get(o, "spec");

    put_times(p, spec, "2160h0m0s", "360h0m0s");
    edit_put_strings(p->doc, spec, "dnsNames", dns);
    edit_put_strings(p->doc, spec, "ipAddresses", ips);
    json_put_str(
        p->doc, spec, "secretName",
        arena_printf(&p->arena, "ray-%s-secret-%s", head ? NODE_HEAD : NODE_WORKER, c->name));
    put_issuer(p, c, spec, TLS_CA_ISSUER);
    edit_put_strings(p->doc, spec, "usages",
                     (const char *[]){"digital signature", "key encipherment", "server auth",
                                      "client auth", NULL});
    return o;
}
