"""Every prefix with the real process: the operator is killed after its first, second, … write, before the answer
arrives, and started again. What is left is the same each time, and there is never a pod too many."""
import concurrent.futures
import threading
import unittest

import cluster
import common
import proxy
import stories

AT_ONCE = 8


class Killer:
    """A proxy's rule: the operator dies with the writes of these numbers; None: with every one."""

    def __init__(self, numbers):
        self.numbers, self.count, self.kills, self.operator = numbers, 0, 0, None
        self.started = threading.Event()

    def __call__(self, request):
        if not request.is_write:
            return None
        self.count += 1
        doomed = self.numbers is None or self.count in self.numbers
        return self.kill if doomed else None

    def kill(self, exchange):
        code, body = exchange.fetch()
        if code >= 300:  # nothing was written
            exchange.answer(code, body)
            return
        self.started.wait()
        self.kills += 1
        self.operator.kill()
        # What the dead one had sent has arrived before the next one looks, as over a network that is sane.
        common.wait_for("its last requests", lambda: exchange.proxy.asking == 0)
        self.operator.start()
        exchange.drop()


def play(world, story, numbers):
    """One run of the story; gives what it left, its pods, its event reasons, its writes, its kills."""
    ns = world.namespace(stories.dashboard_of(story))
    killer = Killer(numbers)
    way = proxy.Proxy(world.api, killer, ns.dashboard)
    killer.operator = cluster.Operator(world, way.url, "--watch-namespace", ns.name)
    killer.started.set()
    try:
        story(ns)
        ns.settle()
        pods = len(world.pods_seen.get(ns.name, {}))
        return {"left": ns.outcome(), "pods": pods, "reasons": ns.reasons(), "writes": killer.count, "kills": killer.kills,
                "story": "\n".join(map(str, way.writes()))}
    except AssertionError as e:
        raise AssertionError("%s after %s\n%s" % (e, way.writes(), killer.operator.output()[-4000:])) from e
    finally:
        killer.operator.close()
        way.close()


class EveryPrefix(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)
        cls.threads = concurrent.futures.ThreadPoolExecutor(AT_ONCE)

    @staticmethod
    def difference(got, whole):
        """None, or what is not as it is without a kill. A write that comes between two requests of the next operator's
        first pass, on a busy machine, may cost an event of its own: what differs is played again."""
        for key in ("left", "pods"):
            if got[key] != whole[key]:
                return "%s: %s instead of %s" % (key, got[key], whole[key])
        more = got["reasons"] - whole["reasons"]
        return "reasons: %s" % more if more else None

    def check(self, story):
        whole = play(self.world, story, ())
        self.assertGreater(whole["writes"], 3)
        cases = [(n,) for n in range(1, whole["writes"] + 1)] + [None]
        runs = [(case, self.threads.submit(play, self.world, story, case)) for case in cases]
        kills = 0
        for case, run in runs:
            got = run.result()
            for _ in range(2):
                if not self.difference(got, whole):
                    break
                got = play(self.world, story, case)
            self.assertIsNone(self.difference(got, whole), "killed at %s:\n%s" % (case or "each", got["story"]))
            kills += got["kills"]
        self.assertGreaterEqual(kills, len(cases))


def add(story):
    setattr(EveryPrefix, "test_" + story.__name__, lambda self: self.check(story))


for each in stories.ALL:
    add(each)
EveryPrefix = common.side_by_side(3)(EveryPrefix)

if __name__ == "__main__":
    common.main()
