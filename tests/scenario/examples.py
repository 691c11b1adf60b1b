"""Every manifest of examples/: applied with strict validation, and what the operator makes of it, held against
tests/golden/examples.txt (UPDATE_GOLDEN=1 writes it)."""
import glob
import json
import os
import re
import subprocess
import unittest

import cluster
import common
from cluster import path_of

GOLDEN = os.path.join(common.SOURCE, "tests/golden/examples.txt")
GATES = "RayClusterNetworkPolicy,GCSFaultToleranceEmbeddedStorage,RayClusterMTLS,RayClusterHistoryServer"
# Whose pods a batch scheduler other than Kubernetes' own places, by a part of the file's name.
SCHEDULERS = {"volcano": "volcano", "yunikorn": "yunikorn", "kai-": "kai-scheduler",
              "scheduler-plugins": "scheduler-plugins"}
# Kinds of other projects that examples name or the operator makes: (group, version, kind, plural).
FOREIGN = [("scheduling.volcano.sh", "v1beta1", "Queue", "queues"),
           ("scheduling.volcano.sh", "v1beta1", "PodGroup", "podgroups"),
           ("scheduling.x-k8s.io", "v1alpha1", "PodGroup", "podgroups"),
           ("scheduling.run.ai", "v2", "Queue", "queues"),
           ("cert-manager.io", "v1", "Certificate", "certificates"), ("cert-manager.io", "v1", "Issuer", "issuers")]
MADE = {"Ingress": "/apis/networking.k8s.io/v1/{}/ingresses", "Certificate": "/apis/cert-manager.io/v1/{}/certificates",
        "NetworkPolicy": "/apis/networking.k8s.io/v1/{}/networkpolicies", "Issuer": "/apis/cert-manager.io/v1/{}/issuers",
        "volcano PodGroup": "/apis/scheduling.volcano.sh/v1beta1/{}/podgroups",
        "PodGroup": "/apis/scheduling.x-k8s.io/v1alpha1/{}/podgroups", **{
            kind: path_of(kind, "{}").replace("namespaces/{}", "{}") for kind in (
                "RayCluster", "RayJob", "Pod", "Service", "Secret", "PersistentVolumeClaim", "ServiceAccount", "Role",
                "RoleBinding", "Job")}}


def foreign_crd(group, version, kind, plural):
    """As much of somebody else's CRD as an API server needs."""
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "%s.%s" % (plural, group)},
            "spec": {"group": group, "scope": "Namespaced", "names": {
                "kind": kind, "plural": plural, "singular": kind.lower(), "listKind": kind + "List"},
                "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def scheduler_of(name):
    return next((s for part, s in SCHEDULERS.items() if part in name), None)


class Examples(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.world = cluster.Cluster()
        cls.addClassCleanup(cls.world.close)
        for crd in FOREIGN:
            cls.world.api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", foreign_crd(*crd))
        for group, version, _, plural in FOREIGN:
            common.wait_for(group, lambda g=group, v=version, p=plural: cls.world.api.call(
                "GET", "/apis/%s/%s/%s" % (g, v, p))[0] == 200)
        cls.config = cls.world.kubeconfig(cls.world.api.server)

    def operator(self, namespaces, scheduler=None):
        flags = ["--watch-namespace", ",".join(namespaces), "--feature-gates",
                 ",".join(g + "=true" for g in GATES.split(","))]
        operator = cluster.Operator(self.world, self.world.api.server, *flags,
                                    *(["--batch-scheduler", scheduler] if scheduler else []))
        self.addCleanup(operator.close)
        return operator

    def read_all(self, files):
        """{file: its objects}, by one kubectl: it reads a folder in order of name, and a file's documents in turn."""
        done = subprocess.run([common.kubectl_path(), "--kubeconfig", self.config, "create", "--dry-run=client", "-o", "json",
                               "-f", os.path.dirname(files[0])], capture_output=True, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text, objects, decoder = done.stdout.strip(), [], json.JSONDecoder()
        while text:
            obj, end = decoder.raw_decode(text)
            objects += obj["items"] if obj["kind"] == "List" else [obj]
            text = text[end:].lstrip()
        out = {}
        for file in files:
            with open(file, encoding="utf-8") as f:
                n = len(re.findall(r"(?m)^kind: ", f.read()))
            out[file], objects = objects[:n], objects[n:]
        self.assertEqual(objects, [])
        return out

    def resource(self, obj):
        """Its place in the API, by discovery."""
        api = obj["apiVersion"]
        root = "/apis/" + api if "/" in api else "/api/" + api
        found = next(r for r in self.world.api.ok("GET", root)["resources"] if r["kind"] == obj["kind"] and "/" not in r["name"])
        return root, found["name"], found["namespaced"]

    def post(self, ns, obj):
        root, plural, namespaced = self.resource(obj)
        obj["metadata"].pop("namespace", None)
        self.world.api.ok("POST", "%s/%s%s?fieldValidation=Strict" % (
            root, "namespaces/%s/" % ns.name if namespaced else "", plural), obj)

    def count(self, ns, kind):
        return len(self.world.api.ok("GET", MADE[kind].format("namespaces/" + ns.name))["items"])

    def steady(self, ns):
        """Every RayCluster has its pods by its own words, and every RayJob is as far as it gets without Ray."""
        clusters, pods = ns.held("RayCluster"), 0
        for c in clusters:
            spec = c["spec"]
            if "networkPolicy" in spec and self.count(ns, "NetworkPolicy") != 1 + len(spec["workerGroupSpecs"]):
                return False  # a controller of its own makes them
            if spec.get("tlsOptions", {}).get("enabled"):
                if self.count(ns, "Certificate") != 3 or not ns.held("Service"):
                    return False
                continue  # waits for them to be ready
            if c.get("status", {}).get("state") != "ready":
                return False
            pods += 1 + sum(g["replicas"] * g["numOfHosts"] for g in spec.get("workerGroupSpecs", []))
        for job in ns.held("RayJob"):
            status, spec = job.get("status", {}).get("jobDeploymentStatus"), job["spec"]
            if not (status in ("Waiting", "Suspended") or status == "Initializing" and spec.get("clusterSelector") or
                    status == "Running" and ns.get("Service", job["metadata"]["name"] + "-head-svc")):
                return False
        return (clusters or ns.held("RayJob")) and len(ns.pods()) == pods

    def told(self, ns):
        """What is there, a line a kind: names without chance, pods by role with their containers."""
        lines = []
        for kind, path in sorted(MADE.items()):
            items = self.world.api.ok("GET", path.format("namespaces/" + ns.name))["items"]
            if kind == "Pod":
                lines += sorted(self.told_pod(p) for p in items)
            else:
                names = sorted(re.sub(cluster.RANDOM, "…", i["metadata"]["name"]) for i in items)
                names = [n for n in names if n != "default"]  # every namespace's ServiceAccount
                lines += ["  %s %s" % (kind, " ".join(names))] if names else []
        return lines

    def told_pod(self, pod):
        spec, labels = pod["spec"], pod["metadata"]["labels"]
        containers = " ".join([c["name"] + "*" for c in spec.get("initContainers", [])] +
                              [c["name"] for c in spec["containers"]])
        scheduler = "" if spec["schedulerName"] == "default-scheduler" else " by " + spec["schedulerName"]
        return "  Pod of %s: %s%s" % (labels["ray.io/group"], containers, scheduler)

    def settled(self, ns, file):
        ns.until(os.path.basename(file), lambda: self.steady(ns), 240)
        ns.settle(2, 120)
        self.assertTrue(self.steady(ns), file)

    def test_what_the_operator_makes_of_them(self):
        files = sorted(glob.glob(os.path.join(common.SOURCE, "examples/*.yaml")))
        spaces = {f: self.world.namespace() for f in files}
        for scheduler in [None, *SCHEDULERS.values()]:
            mine = [spaces[f].name for f in files if scheduler_of(os.path.basename(f)) == scheduler]
            self.operator(mine, scheduler)
        for file, objects in self.read_all(files).items():
            for obj in objects:
                self.post(spaces[file], obj)
        for file in files:
            self.settled(spaces[file], file)
        text = "".join("%s\n%s\n" % (os.path.basename(f), "\n".join(self.told(spaces[f]))) for f in files)
        if os.environ.get("UPDATE_GOLDEN"):
            with open(GOLDEN, "w", encoding="utf-8") as f:
                f.write(text)
        with open(GOLDEN, encoding="utf-8") as f:
            self.assertEqual(text, f.read())

    def test_rc_150_the_hash_by_a_real_apply(self):
        ns = self.world.namespace()
        self.operator([ns.name])
        done = subprocess.run([common.kubectl_path(), "--kubeconfig", self.config, "-n", ns.name, "apply", "--validate=strict",
                               "-f", os.path.join(common.SOURCE, "examples/ray-cluster.sample.yaml")],
                              capture_output=True, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        ns.until("the head", lambda: ns.pods(node_type="head"), 120)
        self.assertEqual(ns.pods(node_type="head")[0]["metadata"]["annotations"]["ray.io/upgrade-strategy-recreate-hash"],
                         "VRDUODNPCRQASSKPTQ9TLQ1NQ1IFS5UO")


if __name__ == "__main__":
    common.main()
