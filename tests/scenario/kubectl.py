"""kubectl as people use it against the API server alone: what it prints and how it ends, verb by verb, on core kinds and a custom one.
KUBECTL names another kubectl (1.27 or newer) than the one on PATH."""
import json
import os
import subprocess
import threading

import common
from common import wait_for

POD = {"containers": [{"name": "c", "image": "example.com/app:1"}]}
RAY = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ray", "labels": {"l": "1"}}, "spec": {
    "rayVersion": "2.46.0", "headGroupSpec": {"rayStartParams": {}, "template": {"spec": POD}}}}
OBJECTS = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map", "labels": {"l": "1"}}, "data": {"x": "1"}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "labels": {"l": "1"}}, "spec": POD},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dep"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}},
    RAY,
]

# What is typed, how it ends, and what its output holds. In order: each finds what those before it left.
COMMANDS = [
    ("apply -f FILE", 0, ["configmap/map created", "pod/pod created", "deployment.apps/dep created", "raycluster.ray.io/ray created"]),
    ("apply -f FILE", 0, ["configmap/map unchanged", "raycluster.ray.io/ray unchanged"]),
    ("diff -f FILE", 0, []),
    ("get pods -A", 0, ["NAMESPACE", "default     pod"]),
    ("get pods -o wide", 0, ["NOMINATED NODE", "Pending"]),
    ("get pod pod -o yaml", 0, ["apiVersion: v1\n", "image: example.com/app:1", "phase: Pending"]),
    ("get pod pod -o json", 0, ['"kind": "Pod"']),
    ("get raycluster", 0, ["DESIRED WORKERS", "ray"]),
    ("get raycluster ray -o wide", 0, ["HEAD POD IP"]),
    ("get all", 0, ["pod/pod", "deployment.apps/dep", "service/svc"]),
    ("get cm -l l=1 --show-labels", 0, ["map", "l=1"]),
    ("get cm --field-selector metadata.name=map -o name", 0, ["configmap/map"]),
    ("get cm map -o jsonpath={.data.x}", 0, ["1"]),
    ("get cm -o custom-columns=N:.metadata.name --no-headers", 0, ["map\n"]),
    ("get cm --sort-by=.metadata.name", 0, ["map"]),
    ("get cm nope", 1, ['configmaps "nope" not found']),
    ("get cm nope --ignore-not-found", 0, []),
    ("get nope", 1, ["the server doesn't have a resource type \"nope\""]),
    ("describe pod pod", 0, ["Name:             pod", "Status:           Pending", "QoS Class:                   BestEffort"]),
    ("describe deployment dep", 0, ["StrategyType:           RollingUpdate", "Pod Template:"]),
    ("describe svc svc", 0, ["Port:", "80/TCP"]),
    ("describe raycluster ray", 0, ["Kind:         RayCluster", "Ray Version:"]),
    ("patch cm map -p {\"data\":{\"y\":\"2\"}}", 0, ["configmap/map patched"]),
    ("patch cm map -p {\"data\":{\"y\":\"2\"}}", 0, ["patched (no change)"]),
    ("patch raycluster ray --type=merge -p {\"spec\":{\"suspend\":true}}", 0, ["patched"]),
    ("patch raycluster ray --type=merge -p {\"spec\":{\"suspend\":1}}", 1, ["spec.suspend"]),
    ("patch dep dep --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]", 1, ["resource type \"dep\""]),
    ("patch deploy dep --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]", 0, ["patched"]),
    ("scale deploy dep --replicas=3", 0, ["scaled"]),
    ("set image deploy/dep c=example.com/app:2", 0, ["image updated"]),
    ("label pod pod m=2", 0, ["pod/pod labeled"]),
    ("label pod pod m=3", 1, ["'m' already has a value (2), and --overwrite is false"]),
    ("label pod pod m=3 --overwrite", 0, ["labeled"]),
    ("label pod pod m-", 0, ["unlabeled"]),
    ("annotate raycluster ray who=me", 0, ["annotate"]),
    ("diff -f FILE", 1, ["-      - image: example.com/app:2"]),
    ("apply -f FILE", 0, ["configmap/map", "raycluster.ray.io/ray"]),
    ("explain pod.spec.nodeName", 0, ["KIND:       Pod", "nodeName"]),
    ("explain raycluster.spec.headGroupSpec", 0, ["GROUP:      ray.io", "rayStartParams"]),
    ("explain pod.nope", 1, ['field "nope" does not exist']),
    ("api-resources --api-group=ray.io", 0, ["rayclusters", "ray.io/v1"]),
    ("wait --for=jsonpath={.data.x}=1 cm/map --timeout=30s", 0, ["configmap/map condition met"]),
    ("wait --for=condition=Ready pod/pod --timeout=1s", 1, ["timed out waiting for the condition"]),
    ("auth can-i create pods", 0, ["yes"]),
    ("create token default", 0, ["eyJ"]),
    ("replace -f FILE --force --grace-period=0", 0, ["replaced"]),
    ("delete pod pod --now", 0, ['pod "pod"']),
    ("delete pod pod", 1, ['pods "pod" not found']),
    ("delete -f FILE --ignore-not-found", 0, ['configmap "map"', '"ray"']),
    ("get cm -l l=1", 0, ["No resources found"]),
]


class Kubectl(common.Scenario):
    def setUp(self):
        super().setUp()
        self.program = os.environ.get("KUBECTL") or common.kubectl_path()
        self.apiserver()
        self.kubectl("create", "-f", "-", stdin=self.manta("crds").stdout)
        wait_for("the account of pods", lambda: "default" in self.kubectl("get", "sa", "-o", "name").stdout)
        self.file = os.path.join(self.dir, "objects.json")
        with open(self.file, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "List", "items": OBJECTS}, f)

    def type(self, line):
        words = [self.file if w == "FILE" else w for w in line.split(" ")]
        return subprocess.run([self.program, *words], env=self.env, capture_output=True, text=True, timeout=120)

    def test_verb_by_verb(self):
        for line, code, wanted in COMMANDS:
            with self.subTest(line):
                done = self.type(line)
                said = done.stdout + done.stderr
                self.assertEqual(done.returncode, code, said)
                for words in wanted:
                    self.assertIn(words, said)

    def test_get_w(self):
        """A watch prints what is there, then each change; it ends with its process."""
        self.type("apply -f FILE")
        process = subprocess.Popen([self.program, "get", "cm", "-l", "l=1", "-w", "-o", "jsonpath={.data.x}{\"\\n\"}"],
                                   env=self.env, stdout=subprocess.PIPE, text=True)
        seen, done = [], threading.Event()

        def read():
            for line in process.stdout:
                seen.append(line.strip())
            done.set()
        threading.Thread(target=read, daemon=True).start()
        wait_for("the object as it is", lambda: seen == ["1"])
        self.type('patch cm map -p {"data":{"x":"2"}}')
        wait_for("the change", lambda: seen == ["1", "2"])
        process.terminate()
        self.assertTrue(done.wait(30))
        process.wait()
        process.stdout.close()

    def test_wait_until_deleted(self):
        self.type("apply -f FILE")
        process = subprocess.Popen([self.program, "wait", "--for=delete", "cm/map", "--timeout=60s"], env=self.env,
                                   stdout=subprocess.PIPE, text=True)
        self.type("delete cm map")
        out, _ = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 0, out)

    def test_edit(self):
        """The editor's work is sent as a patch."""
        self.type("apply -f FILE")
        self.env["KUBE_EDITOR"] = "sed -i s/example.com/example.org/"
        self.assertIn("edited", self.type("edit deploy dep").stdout)
        got = self.get("deploy", "dep")
        self.assertEqual(got["spec"]["template"]["spec"]["containers"][0]["image"], "example.org/app:1")


if __name__ == "__main__":
    common.main()
