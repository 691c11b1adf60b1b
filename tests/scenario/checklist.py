"""What a RayCluster is on an API server, with kubectl, and what wakes the operator: the items of the checklist that no
planner in memory can show. Each test is named after its item."""
import glob
import json
import os
import re
import time
import unittest

import cluster
import common
import proxy
from cluster import ray_cluster
from process import free_port, samples

# Every reason of an Event about a RayCluster, with its type and action.
REASONS = """
Warning InvalidRayClusterMetadata Validate   Warning InvalidRayClusterSpec Validate   Warning InvalidRayClusterStatus Validate
Normal CreatedServiceAccount Create          Warning FailedToCreateServiceAccount Create
Warning AutoscalerServiceAccountNotFound Validate
Normal CreatedRole Create                    Warning FailedToCreateRole Create
Normal CreatedRoleBinding Create             Warning FailedToCreateRoleBinding Create
Normal CreatedIngress Create                 Warning FailedToCreateIngress Create
Normal UpdatedIngress Update                 Warning FailedToUpdateIngress Update
Normal CreatedRoute Create                   Warning FailedToCreateRoute Create
Normal CreatedService Create                 Warning FailedToCreateService Create
Normal CreatedPVC Create                     Warning FailedToCreatePVC Create     Warning FailedToCreatePVC Validate
Normal CreatedHeadPod Create                 Warning FailedToCreateHeadPod Create
Normal DeletedHeadPod Delete                 Warning FailedToDeleteHeadPod Delete
Normal CreatedWorkerPod Create               Warning FailedToCreateWorkerPod Create
Normal DeletedWorkerPod Delete               Warning FailedToDeleteWorkerPod Delete
Warning FailedToDeleteWorkerPodCollection Delete
Normal DeletedPod Delete                     Warning FailedToDeletePodCollection Delete
Normal CreatedRedisCleanupJob Create         Warning FailedToCreateRedisCleanupJob Create
Warning ForceDeletedStuckCluster Cleanup
Normal CreatedNetworkPolicy Create           Warning FailedToCreateNetworkPolicy Create
Normal DeletedNetworkPolicy Delete           Warning FailedToDeleteNetworkPolicy Delete
Warning NetworkPolicyNameCollision Validate
Normal MTLSCertsNotReady Reconcile           Normal MTLSPKIReady Reconcile
"""


class Api(common.Scenario):
    """The CRDs on our API server, by a real kubectl."""

    def setUp(self):
        super().setUp()
        if not common.kubectl_path():
            self.skipTest("no kubectl")
        self.apiserver()
        self.kubectl("apply", "--server-side", "-f", "-", stdin=self.manta("crds").stdout)
        self.kubectl("wait", "--for=condition=Established", "crd/rayclusters.ray.io")

    def apply(self, obj, check=True):
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(obj), check=check)

    def old(self, name):
        return dict(ray_cluster(name), apiVersion="ray.io/v1alpha1")

    def test_rc_001_v1alpha1_is_served_and_warns(self):
        crd = self.get("crd", "rayclusters.ray.io")
        self.assertEqual({v["name"]: (v["served"], v["storage"], v.get("deprecated", False))
                          for v in crd["spec"]["versions"]}, {"v1": (True, True, False), "v1alpha1": (True, False, True)})
        self.assertIn("v1alpha1", self.apply(self.old("old")).stderr)  # the warning
        self.assertIn("v1alpha1", self.kubectl("get", "rayclusters.v1alpha1.ray.io").stderr)
        self.assertNotIn("Warning", self.kubectl("get", "rayclusters.ray.io").stderr)
        # The same object in both versions; only apiVersion differs.
        as_v1, as_old = self.get("rayclusters.v1.ray.io", "old"), self.get("rayclusters.v1alpha1.ray.io", "old")
        self.assertEqual((as_v1["apiVersion"], as_old["apiVersion"]), ("ray.io/v1", "ray.io/v1alpha1"))
        self.assertEqual(as_v1["metadata"]["uid"], as_old["metadata"]["uid"])
        # A write through v1alpha1 loses what only v1 has, and has v1's defaults when it is read as v1.
        self.apply(dict(ray_cluster("new", upgradeStrategy={"type": "None"}, managedBy="ray.io/kuberay-operator")))
        self.assertEqual(self.get("rayclusters.v1.ray.io", "new")["spec"]["upgradeStrategy"], {"type": "None"})
        self.kubectl("label", "rayclusters.v1alpha1.ray.io", "new", "a=b")
        edited = self.get("rayclusters.v1alpha1.ray.io", "new")
        self.kubectl("replace", "-f", "-", stdin=json.dumps(edited))
        after = self.get("rayclusters.v1.ray.io", "new")
        self.assertNotIn("upgradeStrategy", after["spec"])
        self.assertEqual(after["metadata"]["labels"], {"a": "b"})
        self.assertEqual(after["spec"]["workerGroupSpecs"][0]["numOfHosts"], 1)

    def test_rc_002_no_scale(self):
        self.apply(ray_cluster("a"))
        self.assertNotEqual(self.kubectl("scale", "raycluster", "a", "--replicas=2", check=False).returncode, 0)
        self.kubectl("patch", "raycluster", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"state":"ready"}}')
        self.assertEqual(self.get("raycluster", "a")["status"]["state"], "ready")

    def test_rc_003_columns(self):
        self.apply(ray_cluster("a"))
        self.kubectl("patch", "raycluster", "a", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {
            "state": "ready", "desiredWorkerReplicas": 3, "availableWorkerReplicas": 2, "desiredCPU": "4",
            "desiredMemory": "8Gi", "desiredGPU": "1", "desiredTPU": "5", "head": {"podIP": "10.0.0.1", "serviceIP": "10.0.0.2"}}}))
        head, row = self.kubectl("get", "rayclusters").stdout.splitlines()
        self.assertEqual(re.split(r"\s{2,}", head.strip()), [
            "NAME", "DESIRED WORKERS", "AVAILABLE WORKERS", "CPUS", "MEMORY", "GPUS", "STATUS", "AGE"])
        self.assertEqual(row.split()[:7], ["a", "3", "2", "4", "8Gi", "1", "ready"])
        head, row = self.kubectl("get", "rayclusters", "-o", "wide").stdout.splitlines()
        self.assertEqual(re.split(r"\s{2,}", head.strip()), [
            "NAME", "DESIRED WORKERS", "AVAILABLE WORKERS", "CPUS", "MEMORY", "GPUS", "TPUS", "STATUS", "AGE",
            "HEAD POD IP", "HEAD SERVICE IP"])
        self.assertEqual(row.split()[6], "5")
        self.assertEqual(row.split()[-2:], ["10.0.0.1", "10.0.0.2"])

    def test_rc_004_defaults(self):
        obj = ray_cluster("a")
        group = obj["spec"]["workerGroupSpecs"][0]
        for field in ("replicas", "minReplicas", "maxReplicas"):
            del group[field]
        self.apply(obj)
        group = self.get("raycluster", "a")["spec"]["workerGroupSpecs"][0]
        self.assertEqual([group[f] for f in ("replicas", "minReplicas", "maxReplicas", "numOfHosts", "priority")],
                         [0, 0, 2147483647, 1, 0])

    def test_rc_005_rules_of_the_definition(self):
        bad = self.apply(ray_cluster("a", managedBy="somebody"), check=False)
        self.assertIn("managedBy", bad.stderr)
        self.apply(ray_cluster("a", managedBy="ray.io/kuberay-operator", gcsFaultToleranceOptions={"backend": "redis"}))
        for change in ({"managedBy": "kueue.x-k8s.io/multikueue"}, {"gcsFaultToleranceOptions": {"backend": "rocksdb"}}):
            done = self.kubectl("patch", "raycluster", "a", "--type=merge", "-p", json.dumps({"spec": change}), check=False)
            self.assertIn("immutable", done.stderr)
        self.kubectl("patch", "raycluster", "a", "--type=json", "-p", '[{"op":"remove","path":"/spec/managedBy"}]')

    def test_rc_006_start_params(self):
        obj = ray_cluster("a")
        for group in (obj["spec"]["headGroupSpec"], obj["spec"]["workerGroupSpecs"][0]):
            del group["rayStartParams"]
        done = self.apply(dict(obj, apiVersion="ray.io/v1alpha1"), check=False)
        self.assertIn("rayStartParams", done.stderr)
        self.assertNotEqual(done.returncode, 0)
        self.apply(obj)

    def test_rc_007_get_all(self):
        self.apply(ray_cluster("a"))
        self.assertIn("raycluster.ray.io/a ", self.kubectl("get", "all").stdout)

    def test_rc_008_without_webhooks_names_are_accepted(self):
        obj = ray_cluster("a" * 60)
        obj["spec"]["workerGroupSpecs"] *= 2
        self.apply(obj)

    def test_rc_009_metadata_of_templates(self):
        obj = ray_cluster("a")
        obj["spec"]["headGroupSpec"]["template"]["metadata"] = {
            "labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["e.f/g"], "name": "n", "namespace": "m",
            "uid": "u", "generateName": "g-", "ownerReferences": []}
        self.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(obj))
        kept = self.get("raycluster", "a")["spec"]["headGroupSpec"]["template"]["metadata"]
        self.assertEqual(set(kept), {"labels", "annotations", "finalizers", "name", "namespace"})


@common.side_by_side(6)
class Loop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)

    def play(self, *flags, rule=None):
        ns, way = self.world.namespace(), proxy.Proxy(self.world.api, rule)
        self.addCleanup(way.close)
        op = cluster.Operator(self.world, way.url, "--watch-namespace", ns.name, *flags)
        self.addCleanup(op.kill)
        return ns, way

    def passes(self, port):
        """How often RayClusters were looked at."""
        return sum(v for k, v in samples(port).items()
                   if k.startswith('controller_runtime_reconcile_total{controller="raycluster"'))

    def quiet(self, port):
        """The count once no pass is due any more, but the one of five minutes."""
        last, since = -1, time.monotonic()

        def check():
            nonlocal last, since
            now = self.passes(port)
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 4
        common.wait_for("no more passes", check, 60)
        return last

    def test_rc_019_and_022_what_is_looked_at_again(self):
        port = free_port()
        ns, way = self.play("--metrics-addr=127.0.0.1:%d" % port)
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        status = [r for r in way.writes() if r.subresource == "status"][-1]
        common.wait_for("its answer", lambda: status.done)
        written = status.done
        before = self.passes(port)
        common.wait_for("RC-019: one more pass", lambda: self.passes(port) > before, 10)
        self.assertGreater(time.monotonic() - written, 1.5)
        count = self.quiet(port)
        ns.patch("RayCluster", "a", {"status": {"reason": "somebody wrote this"}}, "status")
        time.sleep(1.5)
        self.assertEqual(self.passes(port), count)
        for change in ({"labels": {"x": "1"}}, {"annotations": {"x": "1"}}):
            ns.patch("RayCluster", "a", {"metadata": change})
            common.wait_for("RC-022: %s wake" % list(change), lambda c=count: self.passes(port) > c, 10)
            count = self.quiet(port)

    def test_rc_020_back_off(self):
        ns, way = self.play(rule=lambda r: proxy.status(403, "Forbidden") if (r.method, r.resource) == (
            "POST", "services") else None)
        ns.create(ray_cluster("a"))
        common.wait_for("ten attempts", lambda: len([r for r in way.writes() if r.resource == "services"]) >= 10, 60)
        at = [r.at for r in way.writes() if r.resource == "services"]
        waits = [b - a for a, b in zip(at, at[1:])]
        for n, wait in enumerate(waits[:9]):
            self.assertGreaterEqual(wait, 0.005 * 2 ** n * 0.9, waits)
        self.assertEqual(ns.pods(), [])

    def test_rc_023_what_is_made_again_at_once(self):
        ns, _ = self.play()
        ns.create(ray_cluster("a", enableInTreeAutoscaling=True, authOptions={}))
        ns.ready("a", 2)
        ns.settle()
        kinds = {"Pod": ns.pods(node_type="head")[0]["metadata"]["name"], "Service": "a-head-svc", "Secret": "a"}
        for kind, name in kinds.items():
            old = self.world.api.ok("GET", cluster.path_of(kind, ns.name, name))["metadata"]["uid"]
            ns.delete(kind, name)

            def again(kind=kind, old=old):
                items = self.world.api.ok("GET", cluster.path_of(kind, ns.name))["items"]
                return [i for i in items if i["metadata"]["uid"] != old and (
                    kind != "Pod" or i["metadata"]["labels"]["ray.io/node-type"] == "head")]
            common.wait_for("a new %s" % kind, again, 20)
        ns.ready("a", 2)
        ns.settle(5)
        ns.delete("Role", "a")
        time.sleep(1)
        self.assertEqual(self.world.api.call("GET", cluster.path_of("Role", ns.name, "a"))[0], 404)
        ns.patch("RayCluster", "a", {"metadata": {"annotations": {"look": "again"}}})
        common.wait_for("the Role", lambda: self.world.api.call("GET", cluster.path_of("Role", ns.name, "a"))[0] == 200, 20)

    def test_rc_170_and_171_events(self):
        ns, way = self.play()
        ns.create(ray_cluster("a", 3))
        ns.ready("a", 4)

        def made():
            return [e for e in ns.held("Event") if e["reason"] == "CreatedWorkerPod" and e.get("series")]
        event = common.wait_for("one Event for three workers", made, 20)[0]
        self.assertEqual(len([e for e in ns.held("Event") if e["reason"] == "CreatedWorkerPod"]), 1)
        self.assertEqual(event["series"]["count"], 2)
        self.assertEqual((event["reportingController"], event["type"], event["action"]),
                         ("raycluster-controller", "Normal", "Create"))
        self.assertTrue(event["reportingInstance"].startswith("raycluster-controller-"))
        self.assertRegex(event["metadata"]["name"], r"^a\.[0-9a-f]+$")
        self.assertEqual((event["regarding"]["kind"], event["regarding"]["name"]), ("RayCluster", "a"))
        self.assertTrue(event["regarding"]["resourceVersion"] and event["regarding"]["uid"] and event["eventTime"])
        events = [r for r in list(way.log) if r.resource == "events"]
        self.assertEqual({r.path.split("/")[2] for r in events}, {"events.k8s.io"})


class Reasons(unittest.TestCase):
    def test_rc_172_every_reason_is_reached(self):
        """In the stories of planners; those of failed writes are written beside each action."""
        told = set()
        for path in glob.glob(os.path.join(common.SOURCE, "tests/golden/ray/scenarios/*.txt")):
            with open(path, encoding="utf-8") as f:
                told |= set(re.findall(r"(?:then: |else: |event )(Normal|Warning) (\w+) (\w+):", f.read()))
        wanted = set(re.findall(r"(Normal|Warning) (\w+) (\w+)", REASONS))
        self.assertEqual(sorted(wanted - told), [])


if __name__ == "__main__":
    common.main()
