"""The API server's faults, injected by a proxy: the outcome is the one without faults."""
import random
import threading
import time
import unittest

import cluster
import common
import proxy
import stories
from cluster import ray_cluster

PODS = 120


def life(ns):
    """A cluster's life with writes of every sort."""
    ns.create(ray_cluster("life", 2))
    ns.ready("life", 3)
    stories.scale_to(ns, "life", 4)
    ns.ready("life", 5)
    head = ns.pods(node_type="head")[0]["metadata"]["name"]
    ns.delete("Pod", head)
    ns.until("the head is gone", lambda: not ns.get("Pod", head))
    ns.ready("life", 5)
    ns.patch("RayCluster", "life", {"spec": {"suspend": True}})
    ns.until("suspended", lambda: ns.status("RayCluster", "life", "state") == "suspended" and not ns.pods())
    ns.patch("RayCluster", "life", {"spec": {"suspend": False}})
    ns.ready("life", 5)


class Once:
    """Does this to the first request of each kind that `which` picks, and no more than `most` times."""

    def __init__(self, action, which, most=10 ** 6):
        self.action, self.which, self.most, self.done = action, which, most, set()

    def __call__(self, request):
        if not self.which(request) or len(self.done) >= self.most:
            return None
        key = (request.method, request.path, request.object_name)
        if key in self.done:
            return None
        self.done.add(key)
        return self.action


class Sometimes:
    """Does this to one in so many of the requests that `which` picks; the same ones in every run."""

    def __init__(self, action, which, one_in):
        self.action, self.which, self.one_in, self.dice, self.hits = action, which, one_in, random.Random(7), 0

    def __call__(self, request):
        if not self.which(request) or self.dice.randrange(self.one_in):
            return None
        self.hits += 1
        return self.action


def is_put(request):
    return request.is_write and request.method == "PUT"


@common.side_by_side(5)
class Faults(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)
        ns, _ = cls.play(life)
        cls.expected, cls.pods = ns.outcome(), len(cls.world.pods_seen[ns.name])
        cls.reasons = ns.reasons()

    @classmethod
    def play(cls, story, rule=None, meanwhile=None, dashboard=None):
        """The story with an operator behind a proxy of this rule; gives its namespace and the proxy's log."""
        ns = cls.world.namespace(dashboard)
        way = proxy.Proxy(cls.world.api, rule, dashboard)
        operator = cluster.Operator(cls.world, way.url, "--watch-namespace", ns.name)
        ended = threading.Event()
        if meanwhile:
            threading.Thread(target=meanwhile, args=(way, ended), daemon=True).start()
        try:
            story(ns)
            ns.settle()
            return ns, way.log
        except AssertionError as e:
            raise AssertionError("%s\n%s\n%s" % (e, way.writes()[-30:], operator.output()[-4000:])) from e
        finally:
            ended.set()
            operator.kill()
            way.close()

    def unchanged_job(self, story, rule):
        """A RayJob's life; a job is posted to Ray once, whatever becomes of the answers."""
        dashboard = stories.dashboard_of(story)
        calm, _ = self.play(story, dashboard=stories.dashboard_of(story))
        ns, log = self.play(story, rule, dashboard=dashboard)
        self.assertEqual("\n".join(ns.outcome()), "\n".join(calm.outcome()))
        self.assertLessEqual(ns.reasons(), calm.reasons())
        return dashboard, log

    def test_answers_about_a_job_lost(self):
        rule = Once(proxy.lose, lambda r: r.is_write and not r.for_dashboard)
        self.unchanged_job(stories.job_kubernetes, rule)
        self.assertGreater(len(rule.done), 6)

    def test_conflicts_about_a_job(self):
        rule = Once(proxy.status(409, "Conflict"), is_put)
        dashboard, _ = self.unchanged_job(stories.job_http, rule)
        self.assertGreater(len(rule.done), 1)
        self.assertEqual(len(dashboard.submitted), 1)

    def unchanged(self, rule, meanwhile=None):
        ns, log = self.play(life, rule, meanwhile)
        self.assertEqual("\n".join(ns.outcome()), "\n".join(self.expected))
        self.assertEqual(len(self.world.pods_seen[ns.name]), self.pods)
        return ns, log

    def test_conflicts(self):
        rule = Sometimes(proxy.status(409, "Conflict"), is_put, 2)
        ns, _ = self.unchanged(rule)
        self.assertGreater(rule.hits, 2)
        self.assertLessEqual(ns.reasons(), self.reasons)

    def test_too_many_requests(self):
        rule = Once(proxy.status(429, "TooManyRequests", retry_after=1), lambda r: r.is_write, most=4)
        ns, log = self.unchanged(rule)
        self.assertEqual(len(rule.done), 4)
        self.assertLessEqual(ns.reasons(), self.reasons)
        self.assert_patience(log)

    def assert_patience(self, log):
        for i, refused in enumerate(log):
            if refused.status == 429:
                again = next(r for r in log[i + 1:] if (r.method, r.path, r.body) == (refused.method, refused.path, refused.body))
                self.assertGreaterEqual(again.at - refused.at, 0.95, "%s came again too early" % refused)

    def test_too_many_requests_of_reads(self):
        rule = Once(proxy.status(429, "TooManyRequests", retry_after=1), lambda r: r.is_list)
        _, log = self.unchanged(rule)
        self.assertGreater(len(rule.done), 3)
        self.assert_patience(log)

    def test_server_errors_of_writes(self):
        rule = Sometimes(proxy.status(500, "InternalError"), lambda r: r.is_write, 2)
        self.unchanged(rule)
        self.assertGreater(rule.hits, 5)

    def test_server_errors_of_reads(self):
        rule = Sometimes(proxy.status(500, "InternalError"), lambda r: r.is_list or r.is_watch, 2)
        self.unchanged(rule)
        self.assertGreater(rule.hits, 2)

    def test_watches_gone(self):
        rule = Once(proxy.status(410, "Expired"), lambda r: r.is_watch)
        self.unchanged(rule)
        self.assertGreater(len(rule.done), 3)

    def test_watches_gone_in_the_stream(self):
        rule = Sometimes(proxy.gone, lambda r: r.is_watch, 2)
        self.unchanged(rule)
        self.assertGreater(rule.hits, 2)

    def test_connections_cut(self):
        def cutter(way, ended):
            while not ended.wait(0.15):
                way.drop_all()
        self.unchanged(None, cutter)

    def test_requests_cut_before_the_server_saw_them(self):
        rule = Once(proxy.cut, lambda r: r.is_write)
        self.unchanged(rule)
        self.assertGreater(len(rule.done), 8)

    def test_answers_lost(self):
        rule = Once(proxy.lose, lambda r: r.is_write)
        self.unchanged(rule)
        self.assertGreater(len(rule.done), 8)

    def test_slow_lists(self):
        rule = Once(proxy.slow(20, 0.03), lambda r: r.is_list)
        self.unchanged(rule)

    def test_lists_that_end_early(self):
        rule = Sometimes(proxy.partial(0.6), lambda r: r.is_list, 2)
        self.unchanged(rule)
        self.assertGreater(rule.hits, 1)

    def test_a_partial_list_removes_nothing(self):
        """An operator that starts while lists come in pieces has what is there already for all there is."""
        ns, _ = self.play(lambda ns: (ns.create(ray_cluster("many", 40)), ns.ready("many", 41)))
        before = {p["metadata"]["uid"] for p in ns.pods()}
        lists = []

        def rule(request):
            if request.resource == "pods" and request.is_list:
                lists.append(request)
                return proxy.partial(0.3 + 0.1 * len(lists)) if len(lists) < 5 else proxy.slow(10, 0.05)
            return None
        way = proxy.Proxy(self.world.api, rule)
        operator = cluster.Operator(self.world, way.url, "--watch-namespace", ns.name)
        try:
            common.wait_for("a whole list", lambda: lists and lists[-1].done and len(lists) >= 5, 60)
            ns.settle()
            self.assertEqual({p["metadata"]["uid"] for p in ns.pods()}, before)
            self.assertEqual(way.writes(), [])
        finally:
            operator.kill()
            way.close()

    def test_a_hundred_lost_answers_never_make_two_pods(self):
        rule = Once(proxy.lose, lambda r: r.method == "POST" and r.resource == "pods")
        ns, log = self.play(lambda ns: (ns.create(ray_cluster("lost", PODS - 1)), ns.ready("lost", PODS)), rule)
        self.assertGreaterEqual(len(rule.done), 100)
        self.assertEqual(len(self.world.pods_seen[ns.name]), PODS)
        self.assertEqual([r for r in log if r.method == "DELETE"], [])
        indexes = [p["metadata"]["labels"].get("ray.io/worker-group-replica-index") for p in ns.pods(node_type="worker")]
        self.assertEqual(sorted(map(int, indexes)), list(range(PODS - 1)))


class Http2(unittest.TestCase):
    """The operator's own TLS and HTTP/2 to the API server, through a wire that is cut again and again."""

    def test_connections_cut(self):
        world = cluster.Cluster()
        self.addCleanup(world.close)
        wire = proxy.Wire(world.api.host, world.api.port)
        self.addCleanup(wire.close)
        ns = world.namespace()
        operator = cluster.Operator(world, wire.url, "--watch-namespace", ns.name)
        self.addCleanup(operator.kill)
        ended = threading.Event()
        self.addCleanup(ended.set)

        def cutter():
            while not ended.wait(0.1):
                wire.cut()
        threading.Thread(target=cutter, daemon=True).start()
        ns.create(ray_cluster("cut", PODS - 1))
        ns.ready("cut", PODS)
        time.sleep(0.5)
        ended.set()
        ns.settle()
        self.assertGreater(wire.cuts, 10)
        self.assertEqual(len(world.pods_seen[ns.name]), PODS)


if __name__ == "__main__":
    common.main()
