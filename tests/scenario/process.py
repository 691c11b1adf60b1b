"""The operator as a process: flags, start-up, what is fatal, health, metrics, log, what it watches (PL-… are the items
of the checklist that each test is about)."""
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import cluster
import common
import proxy
from cluster import ray_cluster, ray_job

GATES = {"GCSFaultToleranceEmbeddedStorage", "KubernetesWAS", "RayClusterHistoryServer", "RayClusterMTLS",
         "RayClusterNetworkPolicy", "RayClusterStatusConditions", "RayCronJob", "RayJobDeletionPolicy",
         "RayMultiHostIndexing", "RayServiceIncrementalUpgrade", "SidecarSubmitterRestart"}
WATCHED = {"rayclusters", "rayjobs", "pods", "services", "secrets", "persistentvolumeclaims", "jobs"}


def free_port():
    """Below the ports that the kernel gives to others meanwhile."""
    while True:
        port = random.randrange(15000, 30000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            pass


def fetch(port, path="/metrics"):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=10) as answer:
        return answer.status, answer.headers, answer.read().decode()


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except OSError:
        return True


def samples(port):
    """{'name{labels}': value} of a scrape."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in fetch(port)[2].splitlines() if not line.startswith("#")}


def operator(*args, **more):
    """A run that is expected to end by itself."""
    return subprocess.run([common.MANTA, "operator", *args], capture_output=True, text=True, timeout=60, **more)


class Flags(unittest.TestCase):
    def test_pl_001_help_and_unknown_flags(self):
        done = operator("--help")
        self.assertEqual(done.returncode, 0)
        names = set(re.findall(r"^  -([a-z-]+)", done.stderr, re.M))
        self.assertEqual(len(names), 24, names)
        self.assertLessEqual({"metrics-addr", "kubeconfig", "zap-devel", "feature-gates", "burst"}, names)
        done = operator("-no-such-flag")
        self.assertEqual(done.returncode, 2)
        self.assertIn("flag provided but not defined: -no-such-flag", done.stderr)
        for bad in ("--zap-log-level=loud", "--zap-encoder=xml", "--burst=many"):
            self.assertEqual(operator(bad).returncode, 2, bad)

    def fatal(self, *args, **more):
        """One line of JSON by the logger setup, exit code 1."""
        done = operator(*args, **more)
        self.assertEqual(done.returncode, 1, done.stderr)
        last = json.loads(done.stderr.splitlines()[-1])
        self.assertEqual((last["level"], last["logger"]), ("error", "setup"))
        self.assertTrue(last["error"])
        return last["error"]

    def test_pl_004_pl_013_pl_043_pl_130_wrong_settings_are_fatal(self):
        self.fatal("--log-stdout-encoder=xml")
        self.fatal("--feature-gates=NoSuchGate=true")
        self.fatal("--feature-gates=RayCronJob=perhaps")
        self.fatal("--batch-scheduler=default")
        self.fatal("--batch-scheduler=volcano", "--enable-batch-scheduler")
        self.fatal("--feature-gates=KubernetesWAS=true", "--batch-scheduler=volcano")
        self.fatal("--config=/dev/null")

    def test_pl_022_no_kubeconfig_is_fatal(self):
        self.fatal("--metrics-addr=0", "--health-probe-bind-address=0",
                   env={"HOME": "/nonexistent", "PATH": os.environ["PATH"]})


@common.side_by_side(8)
class Process(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)

    def play(self, *flags, rule=None, election=False, env=None):
        """An operator in a namespace of its own, behind a proxy of its own."""
        ns, way = self.world.namespace(), proxy.Proxy(self.world.api, rule)
        self.addCleanup(way.close)
        flags = ("--watch-namespace", ns.name, "--leader-election-namespace", ns.name, *flags)
        op = cluster.Operator(self.world, way.url, *flags, election=election, env=env)
        self.addCleanup(op.kill)
        return ns, way, op

    def ends(self, op, code, seconds=30):
        common.wait_for("the operator ends", lambda: op.process.poll() is not None, seconds)
        self.assertEqual(op.process.returncode, code, op.output())

    def lines(self, op):
        return [json.loads(line) for line in op.output().splitlines()]

    # ---- start-up ----

    def test_pl_014_gates_are_logged(self):
        _, _, op = self.play("--feature-gates=RayCronJob=true,,RayMultiHostIndexing=0")
        line = common.wait_for("the line", lambda: [x for x in self.lines(op) if x["msg"] == "Loaded feature gates"])[0]
        self.assertEqual(set(line["featureGates"]), GATES)
        self.assertEqual({g for g in GATES if line["featureGates"][g]}, {
            "RayCronJob", "RayClusterStatusConditions", "RayJobDeletionPolicy", "RayServiceIncrementalUpgrade"})

    def test_pl_015_an_old_server_and_sidecar_restart(self):
        def old(request):
            return None if request.path != "/version" else lambda exchange: exchange.answer(
                200, b'{"major":"1","minor":"34+","gitVersion":"v1.34.1"}')
        _, _, op = self.play("--feature-gates=SidecarSubmitterRestart=true", rule=old)
        self.ends(op, 1)
        self.assertIn("1.35", op.output())

    def test_pl_016_no_discovery_is_fatal(self):
        _, way, op = self.play(rule=lambda r: proxy.status(500, "InternalError") if r.path == "/apis" else None)
        self.ends(op, 1)
        self.assertEqual(way.writes(), [])

    def test_election_outside_of_a_cluster_needs_a_namespace(self):
        if os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/namespace"):
            self.skipTest("this is a pod")
        op = cluster.Operator(self.world, self.world.api.server, election=True)
        self.addCleanup(op.kill)
        self.ends(op, 1)
        self.assertIn("--leader-election-namespace", op.output())

    def test_pl_140_workload_aware_scheduling_needs_its_api(self):
        _, _, op = self.play("--feature-gates=KubernetesWAS=true")
        self.ends(op, 1)
        self.assertIn("scheduling.k8s.io/v1alpha2", op.output())

    def test_pl_017_mtls_without_cert_manager(self):
        ns, _, op = self.play("--feature-gates=RayClusterMTLS=true")
        ns.create(ray_cluster("plain"))
        ns.ready("plain", 2)
        self.assertTrue([x for x in self.lines(op) if x["level"] == "info" and "cert-manager" in x["msg"]])

    def test_pl_018_a_missing_crd_is_fatal_in_two_minutes(self):
        began = time.monotonic()
        ns, _, op = self.play(
            rule=lambda r: proxy.status(404, "NotFound") if r.resource == "rayjobs" else None)
        ns.create(ray_cluster("meanwhile"))
        ns.ready("meanwhile", 2)  # only the controller that misses something waits
        self.ends(op, 1, 180)
        self.assertGreater(time.monotonic() - began, 115)
        self.assertIn("RayJob", self.lines(op)[-1]["error"])

    def test_pl_021_the_first_signal_ends_in_peace(self):
        ns, _, op = self.play()
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        op.process.send_signal(signal.SIGTERM)
        self.ends(op, 0)

    def test_pl_003_the_file_beats_the_flags(self):
        ours, other = free_port(), free_port()
        path = os.path.join(self.world.dir, "config-%d.yaml" % ours)
        ns = self.world.namespace()
        with open(path, "w", encoding="utf-8") as f:
            f.write("apiVersion: config.ray.io/v1alpha1\nkind: Configuration\nmetricsAddr: 127.0.0.1:%d\n"
                    "probeAddr: '0'\nenableLeaderElection: false\nwatchNamespace: %s\nlogStdoutEncoder: console\n"
                    "defaultPodLabels: {team: a, ray.io/group: x}\nunknown: 1\n" % (ours, ns.name))
        op = cluster.Operator(self.world, self.world.api.server, "--config", path, "--metrics-addr=127.0.0.1:%d" % other)
        self.addCleanup(op.kill)
        ns.create(ray_cluster("a"))
        ns.until("pods", lambda: len(ns.pods()) == 2)
        self.assertEqual(fetch(ours)[0], 200)
        self.assertTrue(refused(other))
        self.assertEqual({p["metadata"]["labels"]["team"] for p in ns.pods()}, {"a"})
        self.assertEqual({p["metadata"]["labels"]["ray.io/group"] for p in ns.pods()}, {"headgroup", "small"})
        self.lines(op)  # PL-006: JSON all the same

    # ---- what it asks the API server for ----

    def test_pl_019_pl_050_to_pl_053_watches(self):
        ns, way, _ = self.play("--feature-gates=RayClusterNetworkPolicy=true")
        common.wait_for("watches", lambda: {r.resource for r in list(way.log) if r.is_watch} >= WATCHED)
        self.assertEqual({r.resource for r in way.log if r.is_watch}, WATCHED | {"networkpolicies"})
        for r in list(way.log):
            if r.is_watch or r.is_list:
                self.assertIn("/namespaces/%s/" % ns.name, r.path)
        self.assertEqual({(r.resource, r.query["labelSelector"]) for r in way.log if "labelSelector" in r.query}, {
            ("pods", "ray.io/node-type in (head,redis-cleanup,worker)"),
            ("jobs", "app.kubernetes.io/created-by=kuberay-operator")})
        ns.create(ray_cluster("scaled", enableInTreeAutoscaling=True))
        common.wait_for("watches on first need", lambda: {r.resource for r in list(way.log) if r.is_watch} >= {
            "serviceaccounts", "roles", "rolebindings"})

    def test_pl_020_cluster_wide_when_nothing_is_named(self):
        way = proxy.Proxy(self.world.api, lambda r: proxy.status(403, "Forbidden") if r.is_write else None)
        self.addCleanup(way.close)  # it may look, and changes nothing of other tests
        op = cluster.Operator(self.world, way.url)
        self.addCleanup(op.kill)
        common.wait_for("watches", lambda: {r.resource for r in list(way.log) if r.is_watch} >= WATCHED)
        self.assertFalse([r for r in list(way.log) if (r.is_watch or r.is_list) and "/namespaces/" in r.path])

    def test_pl_034_pl_037_pl_038_lease_and_agents(self):
        ns, way, op = self.play(election=True)
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        lease = self.world.api.ok("GET", cluster.path_of("Lease", ns.name, "ray-operator-leader"))
        self.assertEqual(lease["spec"]["leaseDurationSeconds"], 15)
        self.assertRegex(lease["spec"]["holderIdentity"], r"^.+_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        agents = {r.agent for r in list(way.log) if r.resource == "leases"}
        self.assertEqual(len(agents), 1)
        self.assertRegex(agents.pop(), r"^manager/.*/leader-election$")
        self.assertTrue(all(r.query.get("timeout") == "5s" for r in way.log if r.resource == "leases"))
        others = {r.agent for r in list(way.log) if r.resource not in ("leases", "events") or "events.k8s.io" in r.path}
        self.assertEqual(others, {"kuberay-operator/v1.7.0"})

        def told():
            items = self.world.api.ok("GET", "/api/v1/namespaces/%s/events" % ns.name)["items"]
            return [e for e in items if e["reason"] == "LeaderElection"]
        event = common.wait_for("the event", told)[0]
        self.assertIn("became leader", event["message"])
        self.assertEqual(event["involvedObject"]["kind"], "Lease")
        op.process.send_signal(signal.SIGTERM)
        self.ends(op, 0)
        lease = self.world.api.ok("GET", cluster.path_of("Lease", ns.name, "ray-operator-leader"))
        self.assertTrue(lease["spec"]["holderIdentity"])  # PL-035: not given up

    def test_pl_079_what_another_controller_manages_is_not_touched(self):
        ns, way, _ = self.play()
        for obj in (ray_cluster("foreign", managedBy="kueue.x-k8s.io/multikueue"),
                    ray_job("foreign", managedBy="kueue.x-k8s.io/multikueue")):
            ns.create(obj)
        ns.create(ray_cluster("ours"))
        ns.ready("ours", 2)
        self.assertEqual([r for r in way.writes() if r.name == "foreign" or "foreign" in r.object_name], [])

    # ---- endpoints ----

    def test_pl_030_pl_032_endpoints_of_one_who_waits(self):
        metrics, health = free_port(), free_port()
        flags = ("--metrics-addr=127.0.0.1:%d" % metrics, "--health-probe-bind-address=127.0.0.1:%d" % health)
        _, way, _ = self.play(*flags, election=True, rule=lambda r: proxy.slow(1, 60) if r.resource == "leases" else None)
        common.wait_for("the lease is asked for", lambda: [r for r in list(way.log) if r.resource == "leases"])
        status, headers, text = fetch(metrics)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
        self.assertIn('leader_election_master_status{name="ray-operator-leader"} 0\n', text)
        self.assertNotIn("kuberay_", text)
        for path in ("/healthz", "/readyz", "/healthz/", "/readyz/readyz"):
            self.assertEqual(fetch(health, path)[2], "ok")
        self.assertEqual(fetch(health, "/healthz?verbose")[2], "[+]healthz ok\nhealthz check passed\n")
        self.assertEqual(fetch(health, "/readyz?exclude=readyz&verbose")[2],
                         "[+]readyz excluded: ok\nreadyz check passed\n")
        with self.assertRaises(urllib.error.HTTPError):
            fetch(metrics, "/other")

    def test_pl_111_to_pl_119_metrics(self):
        port = free_port()
        ns, _, _ = self.play("--metrics-addr=127.0.0.1:%d" % port, "--enable-metrics", election=True)
        ns.create(ray_cluster("a"))
        ns.create(ray_job("j"))
        ns.until("ready", lambda: ns.status("RayCluster", "a", "state") == "ready")
        ns.until("initializing", lambda: ns.status("RayJob", "j", "jobDeploymentStatus"))
        uid = ns.get("RayCluster", "a")["metadata"]["uid"]
        got = common.wait_for("its series", lambda: (lambda s: s if any(
            k.startswith("kuberay_cluster_provisioned_duration_seconds{name=\"a\"") for k in s) else None)(samples(port)))
        of_a = 'name="a",namespace="%s"' % ns.name
        self.assertEqual(got['kuberay_cluster_info{%s,owner_kind="None",uid="%s"}' % (of_a, uid)], 1)
        self.assertEqual(got['kuberay_cluster_condition_provisioned{condition="true",%s,uid="%s"}' % (of_a, uid)], 1)
        self.assertTrue([k for k in got if k.startswith("kuberay_cluster_info") and 'owner_kind="RayJob"' in k])
        self.assertEqual(len([k for k in got if k.startswith("kuberay_job_deployment_status")]), 1)
        for result in ("error", "requeue", "requeue_after", "success"):
            self.assertIn('controller_runtime_reconcile_total{controller="raycluster",result="%s"}' % result, got)
        both = 'controller="raycluster",name="raycluster"'
        for name in ("workqueue_adds_total{%s}", 'workqueue_depth{%s,priority="0"}', "workqueue_retries_total{%s}",
                     'workqueue_depth{%s,priority="-100"}', "workqueue_unfinished_work_seconds{%s}",
                     'workqueue_queue_duration_seconds_bucket{%s,le="1e-08"}', "workqueue_work_duration_seconds_count{%s}"):
            self.assertIn(name % both, got)
        self.assertGreater(got["workqueue_adds_total{%s}" % both], 2)
        self.assertEqual(got['leader_election_master_status{name="ray-operator-leader"}'], 1)
        self.assertTrue([k for k in got if k.startswith('rest_client_requests_total{code="201",host="127.0.0.1:')])
        self.assertTrue([k for k in got if k.startswith("rest_client_response_size_bytes_bucket{") and 'le="1.6777216e+07"' in k])
        self.assertGreater(got["process_resident_memory_bytes"], 1e6)
        ns.delete("RayCluster", "a")
        common.wait_for("its series go", lambda: not any(of_a in k for k in samples(port)))

    # ---- webhooks ----

    def test_pl_012_webhooks_only_for_exactly_true(self):
        if not refused(9443):
            self.skipTest("somebody else listens on port 9443")
        folder = os.path.join(self.world.dir, "tmp")
        keys = os.path.join(folder, "k8s-webhook-server", "serving-certs")
        os.makedirs(keys)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "1", "-subj", "/CN=hook", "-keyout", keys + "/tls.key", "-out", keys + "/tls.crt"],
                       check=True, capture_output=True)
        ns, _, off = self.play(env={"ENABLE_WEBHOOKS": "True", "TMPDIR": folder})
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        self.assertTrue(refused(9443))
        _, _, on = self.play(env={"ENABLE_WEBHOOKS": "true", "TMPDIR": folder})
        common.wait_for("the webhook", lambda: not refused(9443) or on.process.poll() is not None)
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "object": {"metadata": {"name": "a" * 54}}}}
        request = urllib.request.Request("https://127.0.0.1:9443/validate-ray-io-v1-raycluster",
                                         json.dumps(review).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
            response = json.load(answer)["response"]
        self.assertEqual((response["uid"], response["allowed"], response["status"]["code"]), ("u", False, 422))
        off.kill()

    def test_webhooks_without_a_certificate_are_fatal(self):
        _, _, op = self.play(env={"ENABLE_WEBHOOKS": "true", "TMPDIR": "/nonexistent"})
        self.ends(op, 1)

    # ---- log ----

    def test_pl_040_pl_041_log_lines(self):
        ns, _, op = self.play()
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        ns.patch("RayCluster", "a", {"spec": {"suspend": True}})
        ns.until("suspended", lambda: ns.status("RayCluster", "a", "state") == "suspended")
        lines = self.lines(op)
        for line in lines:
            self.assertLessEqual({"level", "ts", "logger", "msg"}, set(line))
            self.assertRegex(line["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4})$")
        of_a = [x for x in lines if x.get("RayCluster") == {"name": "a", "namespace": ns.name}]
        self.assertEqual({x["logger"] for x in of_a}, {"controllers.RayCluster"})
        self.assertTrue(all(re.fullmatch(r"[0-9a-f-]{36}", x["reconcileID"]) for x in of_a))
        self.assertGreater(len({x["reconcileID"] for x in of_a}), 1)

    def test_pl_042_a_file_beside_standard_error(self):
        path = os.path.join(self.world.dir, "operator-file.log")
        ns, _, op = self.play("--log-file-path", path, "--log-file-encoder=json", "--log-stdout-encoder=console")
        ns.create(ray_cluster("a"))
        ns.ready("a", 2)
        with open(path, encoding="utf-8") as f:
            self.assertTrue([json.loads(line) for line in f])
        self.assertRegex(op.output(), r"(?m)^\d{4}-\d\d-\d\dT\S+\tinfo\tcontrollers.RayCluster\t")


if __name__ == "__main__":
    common.main()
