#include "operator/options.h"

#include "base/test.h"

static char *no_env[] = {NULL};

#define PARSE(o, err, ...)                                                                         \
    ({                                                                                             \
        char *argv_[] = {__VA_ARGS__, NULL};                                                       \
        operator_options_parse((o), (int)ARRAY_SIZE(argv_) - 1, argv_, no_env, (err));             \
    })

TEST(defaults_are_upstreams)
{
    struct operator_options o;
    struct err err;

    CHECK_INT(operator_options_parse(&o, 0, NULL, no_env, &err), OPTIONS_OK);
    CHECK_STR(o.metrics_addr, ":8080");
    CHECK_STR(o.probe_addr, ":8082");
    CHECK(o.leader_election && !o.enable_metrics);
    CHECK(o.qps == 100 && o.burst == 200 && o.concurrency == 1);
    CHECK(o.ray.features[FEATURE_STATUS_CONDITIONS] && !o.ray.features[FEATURE_CRON_JOB]);
    CHECK(!o.ray.batch_scheduler);
    operator_options_done(&o);
}

TEST(flags_are_read_as_go_reads_them)
{
    struct operator_options o;
    struct err err;

    CHECK_INT(PARSE(&o, &err, "-metrics-addr=127.0.0.1:1", "--reconcile-concurrency", "4",
                    "-enable-leader-election=false", "--enable-metrics", "--qps=2e3",
                    "--watch-namespace=a, b", "operand", "--nonsense"),
              OPTIONS_OK);
    CHECK_STR(o.metrics_addr, "127.0.0.1:1");
    CHECK(o.concurrency == 4 && !o.leader_election && o.enable_metrics && o.qps == 2000);
    size_t n;
    const char **namespaces = operator_namespaces(&o, &n);
    CHECK_INT(n, 2);
    CHECK_STR(namespaces[1], " b");
    operator_options_done(&o);
}

TEST(bad_flags_end_with_usage)
{
    static char *const bad[] = {"--no-such", "--burst=x", "--enable-metrics=maybe", "--qps"};
    struct operator_options o;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CHECK_INT(PARSE(&o, &err, bad[i]), OPTIONS_USAGE);
        operator_options_done(&o);
    }
    CHECK_INT(PARSE(&o, &err, "-h"), OPTIONS_HELP);
    operator_options_done(&o);
}

TEST(feature_gates)
{
    struct operator_options o;
    struct err err;

    CHECK_INT(
        PARSE(&o, &err, "--feature-gates=AllAlpha=true, RayCronJob=F ,,RayJobDeletionPolicy=0"),
        OPTIONS_OK);
    CHECK(!o.ray.features[FEATURE_CRON_JOB] && o.ray.features[FEATURE_MTLS]);
    CHECK(!o.ray.features[FEATURE_DELETION_POLICY] && o.ray.features[FEATURE_STATUS_CONDITIONS]);
    operator_options_done(&o);
    CHECK_INT(PARSE(&o, &err, "--feature-gates=Nonsense=true"), OPTIONS_CONFIG);
    operator_options_done(&o);
    CHECK_INT(PARSE(&o, &err, "--feature-gates=RayCronJob"), OPTIONS_CONFIG);
    operator_options_done(&o);
}

TEST(batch_schedulers)
{
    struct operator_options o;
    struct err err;

    CHECK_INT(PARSE(&o, &err, "--enable-batch-scheduler"), OPTIONS_OK);
    CHECK_STR(o.ray.batch_scheduler, "volcano");
    operator_options_done(&o);
    CHECK_INT(PARSE(&o, &err, "--batch-scheduler=default"), OPTIONS_CONFIG);
    operator_options_done(&o);
    CHECK_INT(PARSE(&o, &err, "--batch-scheduler=yunikorn", "--feature-gates=KubernetesWAS=true"),
              OPTIONS_CONFIG);
    operator_options_done(&o);
}

TEST(the_file_replaces_the_flags_it_knows)
{
    static const char text[] = "apiVersion: config.ray.io/v1alpha1\nkind: Configuration\n"
                               "reconcileConcurrency: 7\nqps: 1.5\nunknown: 1\n"
                               "defaultPodLabels: {team: a}\n";
    char path[] = "/tmp/manta-config-XXXXXX";
    struct operator_options o;
    struct err err;

    close(mkstemp(path));
    CHECK_OK(file_write(path, slice_of(text), 0600, &err), &err);
    CHECK_INT(PARSE(&o, &err, "--config", path, "--burst=1", "--zap-devel"), OPTIONS_OK);
    CHECK(o.concurrency == 7 && o.qps == 1.5 && o.burst == 200 && o.zap_devel);
    CHECK_STR(json_get_str(o.ray.default_pod_labels, "team", ""), "a");
    operator_options_done(&o);
    CHECK_OK(file_write(path, SLICE("kind: Other"), 0600, &err), &err);
    CHECK_INT(PARSE(&o, &err, "--config", path), OPTIONS_CONFIG);
    operator_options_done(&o);
    unlink(path);
}

TEST(environment_reaches_the_planners)
{
    char *env[] = {"CLUSTER_DOMAIN=example.org", "ENABLE_LOGIN_SHELL=TRUE", NULL};
    struct operator_options o;
    struct err err;

    CHECK_INT(operator_options_parse(&o, 0, NULL, env, &err), OPTIONS_OK);
    CHECK_STR(ray_env(&o.ray, "CLUSTER_DOMAIN"), "example.org");
    CHECK(ray_env_true(&o.ray, "ENABLE_LOGIN_SHELL", false));
    operator_options_done(&o);
}

TEST(pl_014_gates_as_json)
{
    struct operator_options o;
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct err err;

    CHECK_INT(PARSE(&o, &err, "--feature-gates=AllBeta=false"), OPTIONS_OK);
    operator_gates_json(&o, &b);
    CHECK(strstr(buf_str(&b),
                 "{\"GCSFaultToleranceEmbeddedStorage\":false,\"KubernetesWAS\":false,"));
    CHECK(!strstr(b.data, "true"));
    operator_options_done(&o);
}

TEST(zap_flags_take_their_words_only)
{
    static char *const good[] = {"--zap-log-level=DEBUG", "--zap-log-level=3",
                                 "--zap-encoder=console", "--zap-stacktrace-level=panic",
                                 "--zap-time-encoding=rfc3339nano"};
    static char *const bad[] = {"--zap-log-level=0", "--zap-log-level=warn", "--zap-encoder=xml",
                                "--zap-stacktrace-level=debug", "--zap-time-encoding=now"};
    struct operator_options o;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        CHECK_INT(PARSE(&o, &err, good[i]), OPTIONS_OK);
        operator_options_done(&o);
        CHECK_INT(PARSE(&o, &err, bad[i]), OPTIONS_USAGE);
        operator_options_done(&o);
    }
}

/* PL-005; what is empty in the file counts as absent where upstream defaults it. */
TEST(pl_005_defaults_of_a_file)
{
    static const char text[] = "apiVersion: config.ray.io/v1alpha1\nkind: Configuration\n"
                               "metricsAddr: ''\nreconcileConcurrency: 0\nqps: 0\n";
    char path[] = "/tmp/manta-config-XXXXXX";
    struct operator_options o;
    struct err err;

    close(mkstemp(path));
    CHECK_OK(file_write(path, slice_of(text), 0600, &err), &err);
    CHECK_INT(PARSE(&o, &err, "--config", path, "--enable-leader-election=false"), OPTIONS_OK);
    CHECK_STR(o.metrics_addr, ":8080");
    CHECK_STR(o.probe_addr, ":8082");
    CHECK(o.leader_election && o.concurrency == 1 && o.burst == 200);
    CHECK(o.qps == 0); /* an explicit zero stays: client-go's own default */
    operator_options_done(&o);
    unlink(path);
}
