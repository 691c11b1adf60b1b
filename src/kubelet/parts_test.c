/* The pure parts of the kubelet: names, logs, environment, log files of containers. */
#include "base/test.h"
#include "base/timefmt.h"
#include "kubelet/crilog.h"
#include "kubelet/dns.h"
#include "kubelet/fallback.h"
#include "kubelet/logs.h"
#include "kubelet/podenv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

/* ---- DNS ---- */

static enum dns_verdict lookup(unused void *ctx, const char *name, uint32_t *ips, size_t *n)
{
    if (strcmp(name, "svc.ns.svc.cluster.local") == 0) {
        ips[(*n)++] = htonl(0x0af40007);
        return DNS_KNOWN;
    }
    return strstr(name, "cluster.local") ? DNS_UNKNOWN : DNS_FOREIGN;
}

/* A question as a resolver sends it. */
static size_t make_query(const char *name, unsigned type, char *out)
{
    size_t at = 12;

    memcpy(out, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
    while (*name) {
        size_t n = strcspn(name, ".");
        out[at++] = (char)n;
        memcpy(out + at, name, n);
        at += n;
        name += n + (name[n] == '.');
    }
    out[at++] = 0;
    out[at++] = 0;
    out[at++] = (char)type;
    out[at++] = 0;
    out[at++] = 1;
    return at;
}

struct dns_case {
    const char *name;
    unsigned type;
    int rcode; /* -1: no answer here */
    unsigned answers;
};

TEST(dns_answers_at_once_or_passes_on)
{
    static const struct dns_case cases[] = {
        {"svc.ns.svc.cluster.local", 1, 0, 1},  {"SVC.ns.SVC.cluster.local", 1, 0, 1},
        {"svc.ns.svc.cluster.local", 28, 0, 0}, {"no.ns.svc.cluster.local", 1, 3, 0},
        {"no.ns.svc.cluster.local", 28, 3, 0},  {"example.org", 1, -1, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char query[512];
        bool foreign;
        struct buf out cleanup(buf_done) = BUF_INIT;
        size_t n = make_query(cases[i].name, cases[i].type, query);
        bool answered = dns_answer((struct slice){query, n}, lookup, NULL, &out, &foreign);
        CHECK(answered == (cases[i].rcode >= 0) && foreign != answered);
        if (!answered)
            continue;
        CHECK(memcmp(out.data, "\x12\x34\x85", 3) == 0);
        CHECK_INT(out.data[3] & 15, cases[i].rcode);
        CHECK_INT(out.data[7], cases[i].answers);
        if (cases[i].answers)
            CHECK(memcmp(out.data + out.len - 4, "\x0a\xf4\x00\x07", 4) == 0);
    }
}

TEST(dns_ignores_what_is_no_question)
{
    char query[512];
    bool foreign;
    struct buf out cleanup(buf_done) = BUF_INIT;
    size_t n = make_query("svc.ns.svc.cluster.local", 1, query);

    for (size_t cut = 0; cut < n; cut++)
        CHECK(!dns_answer((struct slice){query, cut}, lookup, NULL, &out, &foreign));
    query[2] = (char)0x81; /* an answer */
    CHECK(!dns_answer((struct slice){query, n}, lookup, NULL, &out, &foreign));
    query[2] = 1;
    query[12] = (char)0xc0; /* a compressed name */
    CHECK(!dns_answer((struct slice){query, n}, lookup, NULL, &out, &foreign));
}

/* ---- logs ---- */

TEST(log_lines_have_the_form_of_the_cri)
{
    char path[] = "/tmp/manta-log-test.XXXXXX";
    struct crilog l;
    struct buf b cleanup(buf_done) = BUF_INIT;
    autofree char *longer = malloc(CRILOG_LINE_MAX + 10);

    struct err err;

    close(mkstemp(path));
    CHECK_OK(crilog_open(&l, path, &err), &err);
    crilog_feed(&l, 0, "one\ntw", 6, 0);
    crilog_feed(&l, 1, "err\n", 4, SECOND_NS);
    crilog_feed(&l, 0, "o\n\nrest", 7, 2 * SECOND_NS);
    crilog_flush(&l, 0, 3 * SECOND_NS);
    CHECK(file_read(path, &b, NULL) == 0);
    CHECK_STR(buf_str(&b), "1970-01-01T00:00:00.000000000Z stdout F one\n"
                           "1970-01-01T00:00:01.000000000Z stderr F err\n"
                           "1970-01-01T00:00:02.000000000Z stdout F two\n"
                           "1970-01-01T00:00:02.000000000Z stdout F \n"
                           "1970-01-01T00:00:03.000000000Z stdout P rest\n");
    memset(longer, 'x', CRILOG_LINE_MAX + 9);
    longer[CRILOG_LINE_MAX + 9] = '\n';
    CHECK(ftruncate(l.fd, 0) == 0);
    crilog_feed(&l, 0, longer, CRILOG_LINE_MAX + 10, 0);
    buf_reset(&b);
    CHECK(file_read(path, &b, NULL) == 0);
    CHECK(strstr(buf_str(&b), " stdout P xxx") && strstr(buf_str(&b), " stdout F xxxxxxxxx\n"));
    crilog_done(&l);
    unlink(path);
}

TEST(a_log_that_has_grown_is_renamed_and_begun_anew)
{
    char dir[] = "/tmp/manta-log-test.XXXXXX";
    struct crilog l;
    struct err err;
    char line[1024];

    CHECK(mkdtemp(dir) != NULL);
    autofree char *path = xasprintf("%s/0.log", dir);
    CHECK_OK(crilog_open(&l, path, &err), &err);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 7 * (CRILOG_FILE_MAX >> 10); i++)
        crilog_feed(&l, 0, line, sizeof line, 0);
    crilog_done(&l);
    for (int age = 0; age <= CRILOG_FILES; age++) {
        autofree char *file = crilog_file(path, age);
        struct stat st;
        bool kept = stat(file, &st) == 0;
        CHECK_INT(kept, age < CRILOG_FILES);
        CHECK(!kept || age == 0 ||
              (st.st_size >= CRILOG_FILE_MAX && st.st_size < CRILOG_FILE_MAX + 4096));
    }
    crilog_remove(path);
    CHECK_INT(rmdir(dir), 0);
}

static const char sample[] = "2024-01-01T00:00:00.5Z stdout F a\n"
                             "2024-01-01T00:00:01Z stderr P b\n"
                             "2024-01-01T00:00:01Z stderr F c\n"
                             "not a line\n"
                             "2024-01-01T00:00:02Z stdout F \n";

static char *filtered(const char *query)
{
    struct log_filter f = {0};
    struct slice rest = slice_of(sample), line;
    struct buf out = BUF_INIT;
    struct err err;

    if (log_options_parse(slice_of(query), 1704067210 * SECOND_NS, &f.o, &err) < 0)
        return strdup(err.msg);
    while (slice_cut(&rest, '\n', &line))
        log_filter_feed(&f, line, &out);
    char *s = buf_take(&out);
    return s ? s : strdup("");
}

TEST(log_options_are_those_of_the_api)
{
    static const struct {
        const char *query, *text;
    } cases[] = {
        {"", "a\nbc\n\n"},
        {"follow=true&container=x", "a\nbc\n\n"},
        {"timestamps=true",
         "2024-01-01T00:00:00.5Z a\n2024-01-01T00:00:01Z bc\n2024-01-01T00:00:02Z \n"},
        {"sinceSeconds=9", "bc\n\n"},
        {"sinceTime=2024-01-01T00%3A00%3A02Z", "\n"},
        {"limitBytes=3", "a\nb"},
        {"tailLines=x", "invalid value \"x\" of tailLines"},
        {"sinceSeconds=0", "invalid value \"0\" of sinceSeconds"},
        {"follow=maybe", "invalid value \"maybe\" of follow"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        autofree char *got = filtered(cases[i].query);
        CHECK_STR(got, cases[i].text);
    }
}

TEST(the_last_lines_are_found_from_the_end)
{
    char path[] = "/tmp/manta-tail-test.XXXXXX";
    int fd = mkstemp(path);
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (int i = 0; i < 5000; i++)
        buf_printf(&b, "line %04d\n", i);
    CHECK(write(fd, b.data, b.len) == (ssize_t)b.len);
    static const struct {
        int64_t lines, at, missing;
    } cases[] = {{1, 49990, 0}, {2500, 25000, 0}, {5000, 0, 0}, {9999, 0, 4999}, {0, 50000, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t lines = cases[i].lines;
        CHECK_INT(log_tail_offset(fd, (int64_t)b.len, &lines), cases[i].at);
        CHECK_INT(lines, cases[i].missing);
    }
    close(fd);
    unlink(path);
}

/* ---- environment ---- */

TEST(references_are_expanded_by_kubernetes_rules)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"$(A)-$(B)", "1-2"}, {"$$(A)", "$(A)"}, {"$(NO)", "$(NO)"}, {"$A $", "$A $"},
        {"$(A", "$(A"},       {"$$$(A)", "$1"},  {"", ""},           {"$()", "$()"},
    };
    struct env e cleanup(env_done) = {0};

    env_set(&e, "A", "1");
    env_set(&e, "B", "x");
    env_set(&e, "B", "2");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        autofree char *got = env_expand(&e, cases[i].in);
        CHECK_STR(got, cases[i].out);
    }
}

static int no_objects(unused void *ctx, unused const char *kind, unused const char *ns,
                      unused const char *name, unused yyjson_val **ret, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "not found");
}

static char *env_text(const char *container, struct err *err)
{
    struct json *pod autojson = NULL, *c autojson = NULL;
    struct env e cleanup(env_done) = {0};
    struct buf b = BUF_INIT;

    CHECK(json_parse(SLICE("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"annotations\":{"
                           "\"a\":\"x\\\"y\"}}}"),
                     &pod, NULL) == 0);
    CHECK(json_parse(slice_of(container), &c, NULL) == 0);
    struct env_context ctx = {.pod = json_root(pod),
                              .container = json_root(c),
                              .pod_ip = "1.2.3.4",
                              .node_name = "node",
                              .node_cpu_milli = 2000,
                              .node_memory = 1 << 20,
                              .object = no_objects};
    if (env_build(&ctx, &e, err) < 0)
        return strdup(err->msg);
    for (size_t i = 0; i < e.vars.n; i++)
        buf_printf(&b, "%s=%s\n", e.vars.v[i].name, e.vars.v[i].value);
    char *s = buf_take(&b);
    return s ? s : strdup("");
}

TEST(variables_come_from_fields_and_resources)
{
    static const struct {
        const char *container, *text;
    } cases[] = {
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.nodeName\"}}}"
         "]}",
         "A=node\n"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata."
         "annotations['a']\"}}}]}",
         "A=x\"y\n"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata."
         "annotations\"}}}]}",
         "A=a=\"x\\\"y\"\n"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.no\"}}}]}",
         "unsupported fieldPath: spec.no"},
        {"{\"resources\":{\"limits\":{\"cpu\":\"1500m\"}},\"env\":[{\"name\":\"A\",\"valueFrom\":"
         "{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}},{\"name\":\"B\",\"valueFrom\":"
         "{\"resourceFieldRef\":{\"resource\":\"limits.memory\",\"divisor\":\"1Ki\"}}}]}",
         "A=2\nB=1024\n"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\","
         "\"optional\":true}}}]}",
         ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        autofree char *got = env_text(cases[i].container, &err);
        CHECK_STR(got, cases[i].text);
    }
}

/* ---- without namespaces ---- */

TEST(ray_is_told_its_address_where_pods_have_no_network)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"FQ_RAY_IP=svc.ns.svc.cluster.local", "FQ_RAY_IP=10.244.0.7"},
        {"http://svc.ns.svc.cluster.local:8265/x svc.ns.svc.cluster.local",
         "http://10.244.0.7:8265/x 10.244.0.7"},
        {"ulimit -n 65536; ray start --head --dashboard-agent-listen-port=52365  "
         "--metrics-export-port=8080 ",
         "ulimit -n 65536; ray start --node-ip-address=127.77.1.2 --temp-dir=/tmp/manta-ray-258 "
         "--head "
         "--dashboard-agent-listen-port=20258  --metrics-export-port=25258 "},
        {"", ""},
        {"plain", "plain"},
    };
    struct fallback f = {"127.77.1.2", lookup, NULL};
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        autofree char *got = NULL;
        CHECK_OK(fallback_text(&f, cases[i].in, &got, &err), &err);
        CHECK_STR(got, cases[i].out);
    }
    autofree char *none = NULL;
    CHECK_INT(fallback_text(&f, "no.ns.svc.cluster.local", &none, &err), ERR_UNAVAILABLE);
    CHECK_INT(fallback_port("127.77.1.2", 52365), 20258);
    CHECK_INT(fallback_port("127.77.1.2", 8265), 8265);
}
