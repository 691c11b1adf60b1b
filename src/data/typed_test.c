#include "data/typed.h"
#include "data/hash.h"

#include "base/file.h"
#include "base/test.h"

static char *golden(const char *name, const char *suffix)
{
    const char *source = getenv("MANTA_SOURCE");
    char *path;

    if (asprintf(&path, "%s/tests/golden/typed/%s%s", source ? source : ".", name, suffix) < 0)
        abort();
    return path;
}

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    struct err err;

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    return j;
}

/* The bytes of a RayClusterSpec, and their hash, as upstream's operator recorded them. */
static void check_hash(const char *name, size_t size, const char *hash)
{
    struct buf in cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;
    autofree char *in_path = golden(name, ".in.json"), *out_path = golden(name, ".out.json");
    struct err err;
    char text[SPEC_HASH_TEXT];

    CHECK_OK(file_read(in_path, &in, &err), &err);
    autojson struct json *doc = parse(buf_str(&in));
    CHECK_OK(typed_json(type_named("RayClusterSpec"), json_root(doc), &out, 0, &err), &err);
    CHECK_GOLDEN(out_path, buf_str(&out));
    CHECK_INT(out.len, size);
    CHECK_STR(hash_spec(buf_slice(&out), text), hash);
}

TEST(spec_hashes)
{
    check_hash("sample", 785, "VRDUODNPCRQASSKPTQ9TLQ1NQ1IFS5UO");
    check_hash("quirks", 1115, "H1KTHETM2F0S8IAD08DCI7H130P9RMP3");
    check_hash("rayservice", 648, "MGUG8DMCLPCAAHKQGPQI97EQVP87DBUG");
}

static char *typed(const char *type, const char *in, unsigned flags)
{
    struct buf out = BUF_INIT;
    struct err err;
    autojson struct json *doc = parse(in);

    CHECK_OK(typed_json(type_named(type), json_root(doc), &out, flags, &err), &err);
    return buf_take(&out);
}

TEST(go_json)
{
    static const struct {
        const char *type, *in, *out;
    } cases[] = {
        /* the empty status that upstream writes */
        {"RayClusterStatus", "{}",
         "{\"desiredCPU\":\"0\",\"desiredMemory\":\"0\",\"desiredGPU\":\"0\",\"desiredTPU\":\"0\","
         "\"head\":{}}"},
        {"HeadGroupSpec", "null",
         "{\"template\":{\"metadata\":{},\"spec\":{\"containers\":null}},\"rayStartParams\":null}"},
        {"WorkerGroupSpec",
         "{\"template\":{\"spec\":{\"containers\":[]}},\"numOfHosts\":0,\"junk\":1}",
         "{\"groupName\":\"\",\"minReplicas\":null,\"maxReplicas\":null,\"rayStartParams\":null,"
         "\"template\":{\"metadata\":{},\"spec\":{\"containers\":[]}},\"scaleStrategy\":{}}"},
        /* a pointer to a zero is written, a zero value is not */
        {"PodSpec",
         "{\"hostNetwork\":false,\"priority\":0,\"hostUsers\":false,\"nodeSelector\":{},"
         "\"containers\":null}",
         "{\"containers\":null,\"priority\":0,\"hostUsers\":false}"},
        {"ServicePort", "{\"port\":80}", "{\"port\":80,\"targetPort\":0}"},
        {"ServicePort", "{\"port\":80.0,\"targetPort\":\"web\"}",
         "{\"port\":80,\"targetPort\":\"web\"}"},
        {"ResourceFieldSelector", "{\"resource\":\"limits.cpu\"}",
         "{\"resource\":\"limits.cpu\",\"divisor\":\"0\"}"},
        {"ObjectMeta",
         "{\"creationTimestamp\":null,\"labels\":{\"b\":\"1\",\"b\":\"2\",\"a\":null},"
         "\"finalizers\":[null]}",
         "{\"labels\":{\"a\":\"\",\"b\":\"2\"},\"finalizers\":[\"\"]}"},
        {"ObjectMeta", "{\"creationTimestamp\":\"2026-01-02T03:04:05+02:00\"}",
         "{\"creationTimestamp\":\"2026-01-02T01:04:05Z\"}"},
        {"Condition", "{\"type\":\"A\"}",
         "{\"type\":\"A\",\"status\":\"\",\"lastTransitionTime\":null,\"reason\":\"\",\"message\":"
         "\"\"}"},
        {"LeaseSpec", "{\"renewTime\":\"2026-01-02T03:04:05.500000Z\"}",
         "{\"renewTime\":\"2026-01-02T03:04:05.500000Z\"}"},
        {"RayJobSpec", "{\"entrypointNumCpus\":0.1,\"entrypointNumGpus\":1e-7}",
         "{\"entrypointNumCpus\":0.1,\"entrypointNumGpus\":1e-7}"},
        {"RayJobSpec", "{\"entrypointNumCpus\":3,\"entrypointNumGpus\":16777217}",
         "{\"entrypointNumCpus\":3,\"entrypointNumGpus\":16777216}"},
        {"RayJobStatus", "{\"succeeded\":0}",
         "{\"rayJobInfo\":{},\"succeeded\":0,\"rayClusterStatus\":{\"desiredCPU\":\"0\","
         "\"desiredMemory\":\"0\","
         "\"desiredGPU\":\"0\",\"desiredTPU\":\"0\",\"head\":{}}}"},
        {"ResourceRequirements", "{\"limits\":{\"memory\":\"1024Mi\",\"cpu\":1.5}}",
         "{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"1Gi\"}}"},
        {"Secret", "{\"data\":{\"k\":\"aGk=\",\"n\":null},\"stringData\":{\"x\":\"<&>\"}}",
         "{\"metadata\":{},\"data\":{\"k\":\"aGk=\",\"n\":null},\"stringData\":{\"x\":"
         "\"\\u003c\\u0026\\u003e\"}}"},
        {"ManagedFieldsEntry", "{\"fieldsV1\":{\"f:b\":{},\"f:a\":{}}}",
         "{\"fieldsV1\":{\"f:b\":{},\"f:a\":{}}}"},
        {"EnvVar", "{\"name\":\"\\u2028\\u0001\\b\\u007f\"}",
         "{\"name\":\"\\u2028\\u0001\\b\x7f\"}"},
        {"JSONSchemaProps",
         "{\"additionalProperties\":true,\"items\":{\"x\":1,\"type\":\"string\"}}",
         "{\"items\":{\"type\":\"string\"},\"additionalProperties\":true}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        autofree char *out = typed(cases[i].type, cases[i].in, 0);
        CHECK_STR(out, cases[i].out);
    }
    autofree char *plain = typed("EnvVar", "{\"name\":\"<&>\"}", TYPED_NO_ESCAPE);
    CHECK_STR(plain, "{\"name\":\"<&>\"}");
}

TEST(wrong_kinds)
{
    static const struct {
        const char *type, *in, *message;
    } cases[] = {
        {"Pod", "{\"spec\":{\"hostNetwork\":\"yes\"}}",
         "spec.hostNetwork: json: cannot unmarshal string into Go struct field "
         "PodSpec.spec.hostNetwork of type bool"},
        {"Pod", "{\"spec\":{\"containers\":[{},{\"ports\":{}}]}}",
         "spec.containers[1].ports: json: cannot unmarshal object into Go struct field "
         "Container.spec.containers.ports of type []v1.ContainerPort"},
        {"Pod", "{\"metadata\":{\"labels\":{\"a\":1}}}",
         "metadata.labels.a: json: cannot unmarshal number into Go struct field "
         "ObjectMeta.metadata.labels.a of type string"},
        {"ContainerPort", "{\"containerPort\":2147483648}",
         "containerPort: json: cannot unmarshal number into Go struct field "
         "ContainerPort.containerPort of type int32"},
        {"ResourceRequirements", "{\"limits\":{\"cpu\":\"1x\"}}",
         "limits.cpu: quantities must match the regular expression "
         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf out cleanup(buf_done) = BUF_INIT;
        struct err err = {0};
        autojson struct json *doc = parse(cases[i].in);

        CHECK_INT(typed_json(type_named(cases[i].type), json_root(doc), &out, 0, &err),
                  ERR_BAD_REQUEST);
        CHECK_STR(err.msg, cases[i].message);
    }
    autofree char *lenient =
        typed("ContainerPort", "{\"containerPort\":\"x\",\"name\":1}", TYPED_LENIENT);
    CHECK_STR(lenient, "{\"containerPort\":0}");
}

TEST(copy_into_a_tree)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *in = parse("{\"spec\":{\"ports\":[{\"port\":1,\"x\":2}]}}");
    struct buf text cleanup(buf_done) = BUF_INIT;
    yyjson_mut_val *copy = NULL;
    struct err err;

    CHECK_OK(typed_copy(type_find("v1", "Service"), doc, json_root(in), 0, &copy, &err), &err);
    json_mut_write(&text, copy);
    CHECK_STR(buf_str(&text),
              "{\"metadata\":{},\"spec\":{\"ports\":[{\"port\":1,\"targetPort\":0}]},"
              "\"status\":{\"loadBalancer\":{}}}");
    buf_reset(&text);
    CHECK_OK(typed_json_mut(type_named("Service"), copy, &text, 0, &err), &err);
    CHECK(strstr(buf_str(&text), "\"targetPort\":0"));
}

static void collect(void *arg, unused enum typed_problem problem, const char *message)
{
    buf_printf(arg, "%s\n", message);
}

TEST(strict_decoding)
{
    struct buf got cleanup(buf_done) = BUF_INIT;
    autojson struct json *doc =
        parse("{\"kind\":\"Pod\",\"spec\":{\"foo\":1,\"nodeName\":\"a\",\"nodeName\":\"b\","
              "\"containers\":[{\"name\":1},{\"bar\":{\"baz\":1},\"env\":[{\"x\":1}]}]},"
              "\"metadata\":{\"labels\":{\"a\":\"b\",\"a\":\"c\"},\"managedFields\":[{\"fieldsV1\":"
              "{\"f:x\":{}}}]}}");

    typed_check(type_find("v1", "Pod"), json_root(doc), collect, &got);
    CHECK_STR(buf_str(&got), "unknown field \"spec.foo\"\n"
                             "duplicate field \"spec.nodeName\"\n"
                             "json: cannot unmarshal number into Go struct field "
                             "Container.spec.containers.name of type string\n"
                             "unknown field \"spec.containers[1].bar\"\n"
                             "unknown field \"spec.containers[1].env[0].x\"\n"
                             "duplicate field \"metadata.labels.a\"\n");
}

TEST(defaults_of_built_in_kinds)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct err err;
    autojson struct json *in = parse("{\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{"
                                     "\"containerPort\":1,\"protocol\":\"\"}],"
                                     "\"livenessProbe\":{\"timeoutSeconds\":0,\"httpGet\":{"
                                     "\"port\":1}}}],\"terminationGracePeriodSeconds\":0}}");
    yyjson_mut_val *pod = json_thaw(doc, json_root(in));

    typed_default(type_find("v1", "Pod"), doc, pod);
    CHECK_OK(typed_json_mut(type_find("v1", "Pod"), pod, &text, 0, &err), &err);
    CHECK_STR(
        buf_str(&text),
        "{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":"
        "1,"
        "\"protocol\":\"TCP\"}],\"resources\":{},\"livenessProbe\":{\"httpGet\":{\"path\":\"/"
        "\",\"port\":1,"
        "\"scheme\":\"HTTP\"},\"timeoutSeconds\":1,\"periodSeconds\":10,\"successThreshold\":1,"
        "\"failureThreshold\":3},\"terminationMessagePath\":\"/dev/termination-log\","
        "\"terminationMessagePolicy\":\"File\"}],\"restartPolicy\":\"Always\","
        "\"terminationGracePeriodSeconds\":0,\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
        "\"schedulerName\":\"default-scheduler\"},\"status\":{}}");
}
