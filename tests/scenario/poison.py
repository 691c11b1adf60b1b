"""A poisoned object (the test's own planner crashes for its name) is quarantined; all others are served."""
import os
import unittest

import cluster
import common
import proxy
from cluster import ray_cluster

POISON = os.environ.get("MANTA_POISON", "build/tests/scenario/manta-poison")
OTHERS = 100


@common.side_by_side(4)
class Poison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)

    def begin(self):
        ns = self.world.namespace()
        way = proxy.Proxy(self.world.api)
        self.addCleanup(way.close)
        operator = cluster.Operator(self.world, way.url, "--watch-namespace", ns.name, program=[os.path.abspath(POISON)],
                                    cwd=self.world.dir)
        self.addCleanup(operator.kill)
        return ns, operator

    def crashes(self, operator):
        return operator.output().count("the worker crashed and is started again")

    def quarantined(self, ns, name):
        return any(e["reason"] == "Quarantined" and e["regarding"]["name"] == name for e in ns.held("Event"))

    def serves_others(self, name, count):
        ns, operator = self.begin()
        for i in range(count):
            if i == count // 2:
                ns.create(ray_cluster(name, 1))
            ns.create(ray_cluster("good%d" % i, 0))
        ns.until("an Event about the quarantine", lambda: self.quarantined(ns, name), 30)
        ns.until("the others are ready", lambda: sum(
            c.get("status", {}).get("state") == "ready" for c in ns.held("RayCluster")) == count, 90)
        self.assertEqual(self.crashes(operator), 2)
        self.assertEqual(len(ns.pods()), count)
        self.assertEqual(ns.pods(cluster=name), [])
        return ns, operator

    def test_a_hundred_others_come_up(self):
        self.serves_others("poison-segv", OTHERS)

    def test_healed_by_a_change_of_its_spec(self):
        ns, operator = self.serves_others("poison-abort", 3)
        self.assert_condition(ns, "poison-abort", "True")
        ns.patch("RayCluster", "poison-abort", {"spec": {"rayVersion": "healed"}})
        ns.until("it is ready", lambda: ns.status("RayCluster", "poison-abort", "state") == "ready", 30)
        self.assertEqual(self.crashes(operator), 2)
        self.assert_condition(ns, "poison-abort", None)

    def assert_condition(self, ns, name, status):
        def check():
            found = [c["status"] for c in ns.status("RayCluster", name, "conditions") or [] if c["type"] == "Quarantined"]
            return found == ([status] if status else [])
        ns.until("condition Quarantined is %s" % status, check, 20)

    def test_a_planner_that_never_ends_is_aborted(self):
        self.serves_others("poison-hang", 3)

    def test_killed_for_want_of_memory_is_nobodys_fault(self):
        ns, operator = self.begin()
        ns.create(ray_cluster("poison-kill", 1))
        ns.until("ready", lambda: ns.status("RayCluster", "poison-kill", "state") == "ready", 30)
        self.assertEqual(self.crashes(operator), 1)
        self.assertFalse(self.quarantined(ns, "poison-kill"))


if __name__ == "__main__":
    common.main()
