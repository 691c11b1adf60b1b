"""The process kubelet on the embedded API server: small shell pods from object to log and exit code."""
import glob
import json
import os
import re
import signal
import subprocess
import unittest

import common
from common import wait_for

IMAGE = "scenario/shell"


def pod(name, script, spec=None, **container):
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": dict({"restartPolicy": "Never", "terminationGracePeriodSeconds": 2}, **(spec or {}))}
    body["spec"]["containers"] = [dict({"name": "c", "image": IMAGE, "command": ["sh", "-c", script]}, **container)]
    return body


def service(name, port, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": dict({"selector": {"app": name}, "ports": [{"port": port}]}, **spec)}


def processes(word):
    """Command lines that hold the word, of this machine."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                line = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line and str(os.getpid()) != path.split("/")[2]:
            found.append(line)
    return found


class KubeletScenario(common.Scenario):
    """An API server and a kubelet whose one image is this machine's /usr."""

    def setUp(self):
        super().setUp()
        self.env["XDG_CACHE_HOME"] = self.dir + "/cache"
        self.manta("image", "add", IMAGE, "/usr")
        self.server = self.apiserver()
        self.state = self.dir + "/kubelet"
        self.kubelet = self.start_kubelet()

    def start_kubelet(self):
        process = self.start("kubelet", "--kubeconfig", self.env["KUBECONFIG"], "--state", self.state, "--cleanup")
        wait_for("node", lambda: self.conditions("node", "manta").get("Ready") == "True")
        return process

    def conditions(self, *what):
        got = self.kubectl("get", *what, "-o", "json", check=False)
        if got.returncode:
            return {}
        return {c["type"]: c["status"] for c in json.loads(got.stdout).get("status", {}).get("conditions", [])}

    def apply(self, *objects):
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def phase(self, name):
        return self.get("pod", name)["status"].get("phase")

    def isolated(self):
        return self.conditions("node", "manta").get("PodsIsolated") == "True"

    def wait_phase(self, name, *phases):
        wait_for("%s %s: %s" % (name, phases, self.kubectl("describe", "pod", name, check=False).stdout),
                 lambda: self.phase(name) in phases)
        return self.get("pod", name)["status"]


@unittest.skipUnless(common.kubectl_path(), "no kubectl")
class Kubelet(KubeletScenario):
    def test_exit_code_and_log(self):
        self.apply(pod("a", "echo out; echo err >&2; exit 7"))
        status = self.wait_phase("a", "Failed")
        end = status["containerStatuses"][0]["state"]["terminated"]
        self.assertEqual((end["exitCode"], end["reason"]), (7, "Error"))
        self.assertEqual(sorted(self.kubectl("logs", "a").stdout.split()), ["err", "out"])
        reasons = [e["reason"] for e in self.get("events")["items"]]
        for reason in ("Scheduled", "Pulled", "Created", "Started"):
            self.assertIn(reason, reasons)

    def test_a_long_log_is_whole(self):
        """25 MB: renamed twice while it is followed."""
        code = "for i in range(300000): print('%07d' % i, 'x' * 40)"
        self.apply(pod("long", "", command=["python3", "-c", code]))
        self.wait_phase("long", "Running", "Succeeded")
        want = "".join("%07d %s\n" % (i, "x" * 40) for i in range(300000))
        self.assertTrue(self.kubectl("logs", "-f", "long", timeout=120).stdout == want, "followed")
        self.wait_phase("long", "Succeeded")
        self.assertTrue(self.kubectl("logs", "long").stdout == want, "at the end")
        files = glob.glob(self.state + "/pods/*/logs/c/0.log*")
        self.assertGreater(len(files), 1, files)
        self.assertTrue(self.kubectl("logs", "--tail=200000", "long").stdout == want[-200000 * 49:], "tail")

    def test_exec(self):
        version = json.loads(self.kubectl("version", "--client", "-o", "json").stdout)["clientVersion"]
        if int(re.match(r"\d+", version["minor"]).group()) < 31:
            self.skipTest("this kubectl has exec over SPDY only")
        self.apply(pod("e", "trap 'exit 0' TERM; while :; do sleep 0.2; done"))
        self.wait_phase("e", "Running")
        out = self.kubectl("exec", "e", "--", "sh", "-c", "sleep 1; echo out; echo err >&2; exit 7", check=False)
        self.assertEqual((out.stdout, out.returncode), ("out\n", 7), out.stderr)
        self.assertIn("err\n", out.stderr)
        text = "".join("%d\n" % i for i in range(300000))
        self.assertTrue(self.kubectl("exec", "-i", "e", "--", "cat", stdin=text).stdout == text)
        out = self.kubectl("exec", "e", "--", "no-such-program", check=False)
        self.assertEqual(out.returncode, 127)
        terminal = "%s exec -it e -- sh -c 'sleep 1; test -t 0 && echo size $(stty size)'" % common.kubectl_path()
        done = subprocess.run(["script", "-qec", terminal, "/dev/null"], env=self.env, capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"size \d+ \d+")
        refused = self.kubectl("exec", "e", "-c", "other", "--", "true", check=False)
        self.assertIn("container other is not valid for pod e", refused.stderr)

    def test_what_does_not_fit_waits(self):
        self.apply(pod("big", "true", resources={"requests": {"cpu": "4000"}}))
        wait_for("condition", lambda: self.conditions("pod", "big").get("PodScheduled") == "False")
        condition = [c for c in self.get("pod", "big")["status"]["conditions"] if c["type"] == "PodScheduled"][0]
        self.assertEqual(condition["message"], "0/1 nodes are available: 1 Insufficient cpu.")

    def test_names_and_addresses_of_services(self):
        if not self.isolated():
            self.skipTest("no namespaces")
        server = "python3 -m http.server 8000 --directory /etc"
        self.apply(service("web", 8000), service("headless", 8000, clusterIP="None", selector={"app": "web"}),
                   dict(pod("web", server, {"restartPolicy": "Always"}),
                        metadata={"name": "web", "labels": {"app": "web"}}))
        fetch = ("import urllib.request, socket, sys, time\n"
                 "def get(name):\n"
                 "  for i in range(200):\n"
                 "    try: return urllib.request.urlopen('http://%s:8000/hosts' % name, timeout=5).status\n"
                 "    except OSError: time.sleep(0.1)\n"
                 "print(get('web'), get('headless.default.svc.cluster.local'))\n"
                 "try: socket.getaddrinfo('nobody.default.svc.cluster.local', 1)\n"
                 "except socket.gaierror: print('no such name')\n")
        self.apply(pod("client", "", command=["python3", "-c", fetch]))
        self.wait_phase("client", "Succeeded")
        self.assertEqual(self.kubectl("logs", "client").stdout, "200 200\nno such name\n")

    def test_deletion_leaves_nothing(self):
        marker = "scenario-%d" % os.getpid()
        self.apply(pod("d", "trap '' TERM; sleep 1000 & : %s; while :; do sleep 0.1; done" % marker))
        self.wait_phase("d", "Running")
        self.kubectl("delete", "pod", "d")
        self.assertEqual([p for p in processes(marker) if "scenario/kubelet" not in p], [])
        self.assertEqual(os.listdir(self.state + "/pods"), [])
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            self.assertNotIn(self.dir, f.read())

    def test_killed_kubelet_loses_nothing(self):
        self.apply(pod("k", "for i in $(seq 40); do echo line $i; sleep 0.05; done; exit 9"))
        self.wait_phase("k", "Running")
        self.end(self.kubelet, signal.SIGKILL)
        wait_for("the container to end", lambda: glob.glob(self.state + "/pods/*/containers/c/0.exit.json"))
        self.start_kubelet()
        status = self.wait_phase("k", "Failed")
        self.assertEqual(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 9)
        self.assertEqual(self.kubectl("logs", "k").stdout.splitlines(), ["line %d" % i for i in range(1, 41)])

    def test_killed_node_process_is_replaced(self):
        if not self.isolated():
            self.skipTest("no namespaces")
        self.apply(pod("before", "while [ ! -e /tmp/x ]; do sleep 0.1; done"))
        self.wait_phase("before", "Running")
        with open(self.state + "/node.json", encoding="utf-8") as f:
            first = json.load(f)["pid"]
        os.kill(first, signal.SIGKILL)

        def replaced():
            with open(self.state + "/node.json", encoding="utf-8") as file:
                return json.load(file)["pid"] != first
        wait_for("another node process", replaced)
        self.apply(pod("after", "exit 0"))
        self.wait_phase("after", "Succeeded")
        self.assertEqual(self.phase("before"), "Running")

    def test_killed_shim_is_replaced(self):
        """With a network that works: the dead shim's link is taken down, and not the new one's."""
        if not self.isolated():
            self.skipTest("no namespaces")
        server = "python3 -m http.server 8000 --directory /etc"
        self.apply(dict(pod("web", server, {"restartPolicy": "Always"}, readinessProbe={
            "httpGet": {"port": 8000, "path": "/hosts"}, "periodSeconds": 1, "failureThreshold": 1}),
            metadata={"name": "web", "labels": {"app": "web"}}))
        for restarts in (1, 2):  # the second time after a back-off
            wait_for("ready", lambda: self.conditions("pod", "web").get("Ready") == "True")
            with open(glob.glob(self.state + "/pods/*/shim.json")[0], encoding="utf-8") as f:
                os.kill(json.load(f)["pid"], signal.SIGKILL)

            def back():
                c = self.get("pod", "web")["status"]["containerStatuses"][0]
                return c["restartCount"] >= restarts and c["ready"]
            try:
                wait_for("a restart", back, 150)
            except AssertionError:
                with open(self.kubelet.log, encoding="utf-8") as f:
                    self.fail(self.kubectl("describe", "pod", "web").stdout + self.kubectl("logs", "web").stdout + f.read())
        self.assertNotIn("FailedCreatePodSandBox", [e["reason"] for e in self.get("events")["items"]])

    def test_api_server_away(self):
        self.apply(pod("x", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 4"))
        uid = self.get("pod", "x")["metadata"]["uid"]
        self.wait_phase("x", "Running")
        with open(self.env["KUBECONFIG"], encoding="utf-8") as f:
            address = re.search(r"https://(\S+)", f.read()).group(1)
        self.end(self.server, signal.SIGKILL)
        with open("%s/pods/%s/containers/c/tmp/go" % (self.state, uid), "w", encoding="utf-8"):
            pass
        wait_for("the end", lambda: glob.glob(self.state + "/pods/*/containers/c/0.exit.json"))
        self.start("apiserver", "--listen", address, "--state", self.dir + "/api")
        wait_for("the API server", lambda: self.kubectl("get", "pods", check=False).returncode == 0)
        status = self.wait_phase("x", "Failed")
        self.assertEqual(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 4)

    def test_cleanup_ends_everything(self):
        self.apply(pod("y", "exec sleep 1000"))
        self.wait_phase("y", "Running")
        self.assertEqual(self.end(self.kubelet), 0)
        self.assertEqual(processes("--state %s" % self.state), [])
        self.assertEqual(os.listdir(self.state + "/pods"), [])

    def test_without_namespaces_it_is_said(self):
        self.end(self.kubelet)
        self.start("kubelet", "--kubeconfig", self.env["KUBECONFIG"], "--state", self.state, "--cleanup",
                   "--no-namespaces")
        wait_for("condition", lambda: self.conditions("node", "manta").get("PodsIsolated") == "False")
        self.apply(pod("z", "exit 3"))
        status = self.wait_phase("z", "Failed")
        self.assertEqual(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3)


if __name__ == "__main__":
    common.main()
