#include "operator/metrics.h"

#include "base/test.h"

static const char *scrape(struct buf *b)
{
    buf_reset(b);
    metrics_write(b);
    return buf_str(b);
}

TEST(counters_gauges_and_histograms)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    metrics_add(METRIC_RECONCILE_TOTAL, 1, "raycluster", "success");
    metrics_add(METRIC_RECONCILE_TOTAL, 2, "raycluster", "success");
    metrics_set(METRIC_LEADER, 1, "ray-operator-leader");
    metrics_observe(METRIC_REQUEST_SECONDS, 0.03, "h\"1\"", "GET");
    metrics_observe(METRIC_REQUEST_SECONDS, 100, "h\"1\"", "GET");
    scrape(&b);
    CHECK(strstr(b.data, "# TYPE controller_runtime_reconcile_total counter\n"
                         "controller_runtime_reconcile_total{controller=\"raycluster\","
                         "result=\"success\"} 3\n"));
    CHECK(strstr(b.data, "leader_election_master_status{name=\"ray-operator-leader\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{host=\"h\\\"1\\\"\",verb=\"GET\",le=\"0.025\"} 0\n"));
    CHECK(strstr(b.data, "_bucket{host=\"h\\\"1\\\"\",verb=\"GET\",le=\"0.1\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{host=\"h\\\"1\\\"\",verb=\"GET\",le=\"60\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{host=\"h\\\"1\\\"\",verb=\"GET\",le=\"+Inf\"} 2\n"));
    metrics_reset();
    CHECK(!strstr(scrape(&b), "leader_election"));
}

/* Order of families and labels, and numbers, are promhttp's. */
TEST(a_scrape_is_in_order)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *last = "";

    metrics_set(METRIC_LEADER, 0, "ray-operator-leader");
    metrics_observe(METRIC_QUEUE_WAIT_SECONDS, 2e-8, "raycluster", "raycluster");
    metrics_set(METRIC_JOB_SECONDS, 3e7, "Complete", "a", "ns", "0", "u");
    for (const char *at = scrape(&b); (at = strstr(at, "# HELP ")); at++) {
        CHECK(strcmp(last, at) < 0);
        last = at;
    }
    CHECK(strstr(b.data, "\nworkqueue_queue_duration_seconds_bucket{controller=\"raycluster\","
                         "name=\"raycluster\",le=\"1e-08\"} 0\n"));
    CHECK(strstr(b.data, "{job_deployment_status=\"Complete\",name=\"a\",namespace=\"ns\","
                         "retry_count=\"0\",uid=\"u\"} 3e+07\n"));
    CHECK(strstr(b.data, "\ncertwatcher_read_certificate_total 0\n"));
    metrics_reset();
}

TEST(pl_113_an_object_that_is_gone_is_forgotten)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    metrics_set(METRIC_CLUSTER_SECONDS, 5, "a", "ns", "u1");
    metrics_set(METRIC_CLUSTER_SECONDS, 6, "aa", "ns", "u2");
    metrics_forget(METRIC_CLUSTER_SECONDS, "ns", "a");
    CHECK(!strstr(scrape(&b), "u1") && strstr(b.data, "u2"));
    metrics_reset();
}

TEST(the_process_describes_itself)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *rss = strstr(scrape(&b), "\nprocess_resident_memory_bytes ");

    CHECK(rss && strtod(strchr(rss + 1, ' '), NULL) > 100000);
    CHECK(strstr(b.data, "\nprocess_open_fds "));
    CHECK(strstr(b.data, "\nprocess_network_receive_bytes_total "));
}
