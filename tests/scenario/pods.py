"""What a Pod may ask of a kubelet, on the real binary: environment, volumes, order, probes, restarts, termination."""
import base64
import json
import os
import subprocess
import unittest

import common
from common import wait_for
from kubelet import IMAGE, KubeletScenario, pod


def container(name, script, **more):
    return dict({"name": name, "image": IMAGE, "command": ["sh", "-c", script]}, **more)


def field(path):
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name, divisor=None):
    ref = {"resource": name}
    if divisor:
        ref["divisor"] = divisor
    return {"valueFrom": {"resourceFieldRef": ref}}


def key(kind, name, which):
    return {"valueFrom": {kind: {"name": name, "key": which}}}


ENV = {
    "NAME": field("metadata.name"), "NS": field("metadata.namespace"), "IP": field("status.podIP"),
    "NODE": field("spec.nodeName"), "LABEL": field("metadata.labels['app']"), "ACCOUNT": field("spec.serviceAccountName"),
    "CPU": resource("limits.cpu"), "MEMORY": resource("limits.memory", "1Mi"), "REQUEST": resource("requests.cpu", "1m"),
    "ONE": key("configMapKeyRef", "settings", "one"), "PASSWORD": key("secretKeyRef", "secret", "password"),
    "MAYBE": {"valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": True}}},
    "PLAIN": {"value": "a b"}, "BOTH": {"value": "$(PLAIN)/$(ONE)/$$(ONE)/$(NOBODY)"},
}


@unittest.skipUnless(common.kubectl_path(), "no kubectl")
class Pods(KubeletScenario):
    def log(self, name, *args):
        return self.kubectl("logs", name, *args).stdout

    def status_of(self, name, container_name="c"):
        status = self.get("pod", name)["status"]
        every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
        return {c["name"]: c for c in every}.get(container_name, {})

    def settings(self):
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
                    "data": {"one": "1", "two.txt": "zwei\n"}},
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"},
                    "data": {"password": base64.b64encode(b"pass word").decode()}})

    def test_environment(self):
        self.settings()
        names = sorted(ENV) + ["P_one", "P_two.txt", "KUBERNETES_SERVICE_HOST"]
        code = "import os\nfor n in %r: print(n, repr(os.environ.get(n)))" % (names,)
        body = pod("env", "", command=["python3", "-c", code], env=[dict(ENV[n], name=n) for n in ENV],
                   envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "P_"}],
                   resources={"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "100m"}})
        body["metadata"]["labels"] = {"app": "web"}
        self.apply(body)
        status = self.wait_phase("env", "Succeeded")
        got = dict(line.split(" ", 1) for line in self.log("env").splitlines())
        want = {"NAME": "env", "NS": "default", "IP": status["podIP"], "NODE": "manta", "LABEL": "web", "ACCOUNT": "default",
                "CPU": "2", "MEMORY": "64", "REQUEST": "100", "ONE": "1", "PASSWORD": "pass word", "MAYBE": None,
                "PLAIN": "a b", "BOTH": "a b/1/$(ONE)/$(NOBODY)", "P_one": "1", "P_two.txt": "zwei\n",
                "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
        self.assertEqual(got, {n: repr(v) for n, v in want.items()})

    def test_a_key_that_is_missing(self):
        self.settings()
        self.apply(pod("lacks", "true", env=[dict(key("configMapKeyRef", "settings", "three"), name="X")]))
        wait_for("reason", lambda: self.status_of("lacks").get("state", {}).get("waiting", {}).get("reason") ==
                 "CreateContainerConfigError")
        self.assertIn("three", self.status_of("lacks")["state"]["waiting"]["message"])

    def test_volumes(self):
        if not self.isolated():
            self.skipTest("no namespaces")
        self.settings()
        script = ("cat /etc/settings/two.txt /secret/word /info/labels /info/cpu; echo; echo shared > /data/x; echo fast > /fast/y; "
                  "stat -f -c %T /fast; stat -c %a /secret/word; touch /etc/settings/no 2>/dev/null || echo read-only; "
                  "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; "
                  "cut -d. -f1 /var/run/secrets/kubernetes.io/serviceaccount/token | wc -l; "
                  "head -n 1 /var/run/secrets/kubernetes.io/serviceaccount/ca.crt; cat /sub/two")
        mounts = {"settings": "/etc/settings", "secret": "/secret", "info": "/info", "data": "/data", "fast": "/fast"}
        volumes = [
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "secret", "secret": {"secretName": "secret", "defaultMode": 0o400,
                                          "items": [{"key": "password", "path": "word"}]}},
            {"name": "info", "downwardAPI": {"items": [
                {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}]}},
            {"name": "data", "emptyDir": {}}, {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
        body = pod("vol", script, {"volumes": volumes}, resources={"limits": {"cpu": "2"}},
                   volumeMounts=[{"name": n, "mountPath": p} for n, p in mounts.items()] +
                   [{"name": "settings", "mountPath": "/sub/two", "subPath": "two.txt"}])
        body["metadata"]["labels"] = {"app": "x"}
        body["spec"]["containers"].append(container(
            "d", "while [ ! -s /data/x ] || [ ! -s /fast/y ]; do sleep 0.05; done; cat /data/x /fast/y",
            volumeMounts=[{"name": "data", "mountPath": "/data"}, {"name": "fast", "mountPath": "/fast"}]))
        self.apply(body)
        self.wait_phase("vol", "Succeeded")
        self.assertEqual(self.log("vol", "-c", "c"), "zwei\npass wordapp=\"x\"2\ntmpfs\n400\nread-only\ndefault\n1\n"
                         "-----BEGIN CERTIFICATE-----\nzwei\n")
        self.assertEqual(self.log("vol", "-c", "d"), "shared\nfast\n")

    def test_order_of_init_containers_and_a_sidecar(self):
        body = pod("order", "cat /x/log; echo main >> /x/log; sleep 0.3; tail -n 1 /x/log", {
            "volumes": [{"name": "x", "emptyDir": {}}], "terminationGracePeriodSeconds": 20,
            "initContainers": [
                container("first", "sleep 0.3; echo first >> /x/log"),
                container("side", "echo side >> /x/log; trap 'echo end; exit 0' TERM; touch /x/up; while :; do sleep 0.1; done",
                          restartPolicy="Always",
                          startupProbe={"exec": {"command": ["test", "-e", "/x/up"]}, "periodSeconds": 1}),
                container("last", "echo last >> /x/log")]})
        for c in body["spec"]["containers"] + body["spec"]["initContainers"]:
            c["volumeMounts"] = [{"name": "x", "mountPath": "/x"}]
        if not self.isolated():
            self.skipTest("no namespaces")
        self.apply(body)
        self.wait_phase("order", "Succeeded")
        self.assertEqual(self.log("order", "-c", "c"), "first\nside\nlast\nmain\n")
        self.assertEqual(self.log("order", "-c", "side"), "end\n")
        self.assertEqual(self.status_of("order", "side")["state"]["terminated"]["exitCode"], 0)

    def test_a_failing_init_container(self):
        self.apply(pod("never", "echo no", {"initContainers": [container("i", "exit 3")]}))
        status = self.wait_phase("never", "Failed")
        self.assertEqual(status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 3)
        self.assertNotIn("terminated", status["containerStatuses"][0]["state"])

    def test_restarts_back_off(self):
        self.apply(pod("again", "echo run; exit 1", {"restartPolicy": "OnFailure"}))
        wait_for("back-off", lambda: self.status_of("again").get("restartCount", 0) >= 1 and
                 self.status_of("again")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
        waiting = self.status_of("again")["state"]["waiting"]
        self.assertRegex(waiting["message"], r"^back-off 10s restarting failed container=c pod=again_default\(")
        self.assertEqual(self.status_of("again")["lastState"]["terminated"]["exitCode"], 1)
        self.assertEqual(self.log("again", "--previous"), "run\n")

    def test_termination(self):
        """preStop, then SIGTERM, then SIGKILL when the grace is over; the log tells."""
        hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1 2>/dev/null || echo hook > /tmp/hook"]}}}
        self.apply(pod("slow", "trap 'echo term; cat /tmp/hook 2>/dev/null' TERM; echo up; while :; do sleep 0.1; done", lifecycle=hook))
        self.wait_phase("slow", "Running")
        with subprocess.Popen([common.kubectl_path(), "logs", "-f", "slow"], env=self.env, stdout=subprocess.PIPE, text=True) as follow:
            self.assertEqual(follow.stdout.readline(), "up\n")
            self.kubectl("delete", "pod", "slow")
            rest = follow.communicate(timeout=30)[0]
        self.assertEqual(sorted(rest.split()), ["hook", "term"])
        self.assertEqual(os.listdir(self.state + "/pods"), [])

    def test_probes(self):
        """Readiness comes and goes; a failing liveness probe starts the container anew; exec, HTTP and TCP."""
        if not self.isolated():
            self.skipTest("no namespaces")
        code = ("import http.server, os, socket, sys\n"
                "class H(http.server.BaseHTTPRequestHandler):\n"
                "  def do_GET(self):\n"
                "    self.send_response(500 if os.path.exists('/tmp/ill') else 200); self.end_headers()\n"
                "  def log_message(self, *a): pass\n"
                "http.server.HTTPServer(('', 8000), H).serve_forever()")
        often = {"periodSeconds": 1, "failureThreshold": 1}
        self.apply(pod("sick", "", {"restartPolicy": "Always"}, command=["python3", "-c", code],
                       startupProbe={"tcpSocket": {"port": 8000}, "periodSeconds": 1, "failureThreshold": 60},
                       readinessProbe=dict({"exec": {"command": ["test", "!", "-e", "/tmp/busy"]}}, **often),
                       livenessProbe=dict({"httpGet": {"port": 8000, "path": "/x"}}, **often)))
        wait_for("ready", lambda: self.status_of("sick").get("ready"))
        with_file = self.state + "/pods/%s/containers/c/tmp/" % self.get("pod", "sick")["metadata"]["uid"]
        with open(with_file + "busy", "w", encoding="utf-8"):
            pass
        wait_for("not ready", lambda: not self.status_of("sick")["ready"])
        os.unlink(with_file + "busy")
        wait_for("ready again", lambda: self.status_of("sick")["ready"])
        self.assertEqual(self.status_of("sick")["restartCount"], 0)
        with open(with_file + "ill", "w", encoding="utf-8"):
            pass
        wait_for("a restart", lambda: self.status_of("sick")["restartCount"] == 1, 60)
        reasons = {e["reason"]: e["message"] for e in self.get("events")["items"]}
        self.assertIn("Liveness probe failed: HTTP probe failed with statuscode: 500", self.kubectl("get", "events").stdout)
        self.assertRegex(reasons["Killing"], r"^Container c failed liveness probe, will be restarted$")

    def test_log_options(self):
        self.apply(pod("l", "for i in 1 2 3; do echo $i; done"))
        self.wait_phase("l", "Succeeded")
        self.assertEqual(self.log("l", "--tail=2"), "2\n3\n")
        self.assertEqual(self.log("l", "--limit-bytes=3"), "1\n2")
        for line in self.log("l", "--timestamps").splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z [123]$")

    def test_memory_that_is_not_there(self):
        self.apply(pod("fat", "true", resources={"requests": {"memory": "900Ti"}}))
        wait_for("condition", lambda: "Insufficient memory" in json.dumps(self.get("pod", "fat")["status"]))

    def test_working_directory_and_arguments(self):
        self.apply(pod("w", "", command=["sh", "-c"], args=["pwd; echo $(A); exit 2"], workingDir="/usr/lib",
                       env=[{"name": "A", "value": "b"}]))
        self.wait_phase("w", "Failed")
        self.assertEqual(self.log("w"), "/usr/lib\nb\n")


if __name__ == "__main__":
    common.main()
