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
    metrics_observe(METRIC_REQUEST_SECONDS, 0.03, "GET", "h\"1\"");
    metrics_observe(METRIC_REQUEST_SECONDS, 100, "GET", "h\"1\"");
    scrape(&b);
    CHECK(strstr(b.data, "# TYPE controller_runtime_reconcile_total counter\n"
                         "controller_runtime_reconcile_total{controller=\"raycluster\","
                         "result=\"success\"} 3\n"));
    CHECK(strstr(b.data, "leader_election_master_status{name=\"ray-operator-leader\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{verb=\"GET\",host=\"h\\\"1\\\"\",le=\"0.025\"} 0\n"));
    CHECK(strstr(b.data, "_bucket{verb=\"GET\",host=\"h\\\"1\\\"\",le=\"0.1\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{verb=\"GET\",host=\"h\\\"1\\\"\",le=\"60\"} 1\n"));
    CHECK(strstr(b.data, "_bucket{verb=\"GET\",host=\"h\\\"1\\\"\",le=\"+Inf\"} 2\n"));
    metrics_reset();
    CHECK(!strstr(scrape(&b), "leader_election"));
}

TEST(the_process_describes_itself)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *rss = strstr(scrape(&b), "\nprocess_resident_memory_bytes ");

    CHECK(rss && strtod(strchr(rss + 1, ' '), NULL) > 100000);
    CHECK(strstr(b.data, "\nprocess_open_fds "));
}
