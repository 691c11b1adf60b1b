"""Two operators, one Lease: the leader is killed, stopped, cut off under load. Never two write at once, and the other
takes over in the times of client-go: 15 s after the last renewal that it saw, and its next look, at most 4.4 s later."""
import os
import signal
import threading
import time
import unittest

import cluster
import common
import proxy

LEASE_SECONDS = 15
LOOK_SECONDS = 4.4
SLACK = 3  # a busy machine


class Pair:
    """Two operators, each behind a proxy of its own that logs its writes, and a load that never ends."""

    def __init__(self, world):
        self.world, self.ns = world, world.namespace()
        self.ways = [proxy.Proxy(world.api) for _ in range(2)]
        flags = ("--watch-namespace", self.ns.name, "--leader-election-namespace", self.ns.name)
        self.operators = [cluster.Operator(world, way.url, *flags, election=True) for way in self.ways]
        self.ended, self.made = threading.Event(), 0

    def load(self):
        while not self.ended.wait(0.2):
            self.ns.create(cluster.ray_cluster("load%d" % self.made, 1))
            self.made += 1

    def begin(self):
        """Gives the index of the leader once it has worked a while."""
        threading.Thread(target=self.load, daemon=True).start()
        common.wait_for("a leader that writes", lambda: any(len(w.writes()) > 20 for w in self.ways), 30)
        return 0 if self.ways[0].writes() else 1

    def end(self):
        self.ended.set()
        for operator, way in zip(self.operators, self.ways):
            operator.kill()
            way.close()

    def renewals(self, index):
        return [r for r in list(self.ways[index].log) if r.resource == "leases" and r.method in ("PUT", "POST")
                and r.status and r.status < 300]

    def wait_for_other(self, other):
        common.wait_for("the other writes", lambda: self.ways[other].writes(), LEASE_SECONDS + LOOK_SECONDS + 15)

    def settled(self):
        """All clusters of the load are ready, by the operator that leads now."""
        self.ended.set()
        self.ns.until("all ready", lambda: len(self.ns.held("RayCluster")) == self.made and all(
            c.get("status", {}).get("state") == "ready" for c in self.ns.held("RayCluster")), 60)


def reached(request):
    """A write that the server carried out or may have."""
    return request.status is not None and request.status < 300


@common.side_by_side(4)
class Leader(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)

    def pair(self):
        pair = Pair(self.world)
        self.addCleanup(pair.end)
        leader = pair.begin()
        return pair, leader, 1 - leader

    def assert_one_writer(self, pair, leader, other):
        last = max(r.at for r in pair.ways[leader].writes() if reached(r))
        first = min(r.at for r in pair.ways[other].writes())
        self.assertLess(last, first, "two writers: the former leader wrote after the new one")
        self.assertEqual(len(pair.ns.pods(node_type="head")), pair.made)
        self.assertEqual(len(pair.ns.pods()), 2 * pair.made)

    def assert_in_time(self, pair, leader, other):
        last, first = pair.renewals(leader)[-1].done, pair.renewals(other)[0].at
        self.assertGreaterEqual(first - last, LEASE_SECONDS - 0.5)
        self.assertLessEqual(first - last, LEASE_SECONDS + LOOK_SECONDS + SLACK)

    def test_killed(self):
        pair, leader, other = self.pair()
        pair.operators[leader].kill()
        pair.wait_for_other(other)
        pair.settled()
        self.assert_in_time(pair, leader, other)
        self.assert_one_writer(pair, leader, other)

    def test_stopped_and_continued(self):
        pair, leader, other = self.pair()
        pair.operators[leader].signal(signal.SIGSTOP)
        pair.wait_for_other(other)
        time.sleep(1)
        pair.operators[leader].signal(signal.SIGCONT)
        common.wait_for("the former leader ends", lambda: pair.operators[leader].process.poll() is not None, 30)
        self.assertEqual(pair.operators[leader].process.returncode, 1)
        pair.settled()
        self.assert_in_time(pair, leader, other)
        self.assert_one_writer(pair, leader, other)

    def test_cut_off(self):
        pair, leader, other = self.pair()
        pair.ways[leader].blocked.set()
        began = time.monotonic()
        common.wait_for("the leader gives up", lambda: pair.operators[leader].process.poll() is not None, 20)
        self.assertLessEqual(time.monotonic() - began, 10 + SLACK)
        pair.wait_for_other(other)
        pair.ways[leader].blocked.clear()
        pair.settled()
        self.assert_in_time(pair, leader, other)
        self.assert_one_writer(pair, leader, other)

    def test_worker_crashes_and_keeps_the_lease(self):
        """The supervisor is the lease's holder: its next worker goes on at once."""
        pair, leader, other = self.pair()
        supervisor = pair.operators[leader].process.pid
        with open("/proc/%d/task/%d/children" % (supervisor, supervisor), encoding="utf-8") as f:
            worker = int(f.read().split()[0])
        before = len(pair.ways[leader].writes())
        began = time.monotonic()
        os.kill(worker, signal.SIGSEGV)
        common.wait_for("the next worker writes", lambda: len(pair.ways[leader].writes()) > before + 5, 10)
        self.assertLess(time.monotonic() - began, 4)
        time.sleep(LEASE_SECONDS)
        self.assertEqual(pair.ways[other].writes(), [])
        pair.settled()


if __name__ == "__main__":
    common.main()
