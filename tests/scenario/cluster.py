"""A cluster for tests of the operator: an API server, somebody who plays kubelet and Job controller, operators
under test, and what is left in a namespace in words that do not depend on chance."""
import base64
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

import common

TOKEN = "token-of-the-tests"
# kind: (prefix, plural)
KINDS = {
    "RayCluster": ("/apis/ray.io/v1", "rayclusters"), "RayJob": ("/apis/ray.io/v1", "rayjobs"),
    "Pod": ("/api/v1", "pods"), "Service": ("/api/v1", "services"), "Secret": ("/api/v1", "secrets"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"), "Job": ("/apis/batch/v1", "jobs"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Event": ("/apis/events.k8s.io/v1", "events"), "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
}
FOLLOWED = ("RayCluster", "RayJob", "Pod", "Service", "Job", "Event")


class Api:
    """A small client; one connection a thread."""

    def __init__(self, server, ca, token):
        url = urllib.parse.urlsplit(server)
        self.server, self.ca, self.host, self.port = server, ca, url.hostname, url.port
        self.ssl = ssl.create_default_context(cadata=ca)
        self.headers = {"Accept": "application/json", "Authorization": "Bearer " + token}
        self.local = threading.local()

    def connect(self):
        return http.client.HTTPSConnection(self.host, self.port, context=self.ssl, timeout=600)

    def call(self, method, path, body=None, content_type="application/json"):
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = content_type
        for last in (False, True):
            conn = getattr(self.local, "conn", None) or self.connect()
            self.local.conn = conn
            try:
                conn.request(method, path, None if body is None else json.dumps(body), headers)
                response = conn.getresponse()
                return response.status, json.loads(response.read() or b"{}")
            except (OSError, http.client.HTTPException):
                conn.close()
                self.local.conn = None
                if last:
                    raise

    def ok(self, method, path, body=None, content_type="application/json"):
        code, out = self.call(method, path, body, content_type)
        if code >= 300:
            raise RuntimeError("%s %s: %d %s" % (method, path, code, out.get("message", out)))
        return out


def path_of(kind, ns=None, name=None, subresource=None):
    prefix, plural = KINDS[kind]
    parts = [prefix] + (["namespaces", ns] if ns else []) + [plural] + [p for p in (name, subresource) if p]
    return "/".join(parts)


class Cluster:
    """One API server with the ray.io CRDs. Pods become ready unless their namespace's policy says otherwise."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="manta-cluster-")
        self.processes = []
        with open(self.dir + "/tokens.csv", "w", encoding="utf-8") as f:
            f.write('%s,tester,tester,"system:masters"\n' % TOKEN)
        self.start_server()
        self.lock, self.objects, self.changed, self.pods_seen = threading.RLock(), {}, {}, {}
        self.policies, self.jobs_complete, self.ips, self.namespaces = {}, set(), {}, 0
        self.pool = concurrent.futures.ThreadPoolExecutor(6)
        self.add_crds()
        for kind in FOLLOWED:
            threading.Thread(target=self.follow, args=(kind,), daemon=True).start()

    def start_server(self):
        admin, log = self.dir + "/admin", open(self.dir + "/apiserver.log", "ab")  # the process keeps it
        server = subprocess.Popen(
            [common.MANTA, "apiserver", "--listen", "127.0.0.1:0", "--state", self.dir + "/api",
             "--write-kubeconfig", admin, "--disable-admission-plugins", "ServiceAccount", "--token-auth-file",
             self.dir + "/tokens.csv", "--controllers", "garbage-collector-controller,namespace-controller"],
            stdout=log, stderr=log)
        self.processes.append(server)
        common.wait_for("the API server", lambda: os.path.exists(admin) or server.poll() is not None)
        with open(admin, encoding="utf-8") as f:
            text = f.read()
        ca = re.search(r"certificate-authority-data: (\S+)", text)[1]
        self.api = Api(re.search(r"server: (\S+)", text)[1], base64.b64decode(ca).decode(), TOKEN)

    def add_crds(self):
        printed = subprocess.run([common.MANTA, "crds", "-o", "json"], capture_output=True, check=True)
        for crd in json.loads(printed.stdout)["items"]:
            self.api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        for kind in ("RayCluster", "RayJob"):
            common.wait_for(kind, lambda k=kind: self.api.call("GET", path_of(k))[0] == 200)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- what is there ----

    def follow(self, kind):
        while True:
            try:
                self.follow_once(kind)
            except (OSError, http.client.HTTPException, RuntimeError, ValueError):
                time.sleep(0.2)
            if self.processes[0].poll() is not None:
                return

    def follow_once(self, kind):
        listed = self.api.ok("GET", path_of(kind))
        for item in listed["items"]:
            self.saw(kind, "ADDED", item)
        conn = self.api.connect()
        conn.request("GET", "%s?watch=1&resourceVersion=%s" % (path_of(kind), listed["metadata"]["resourceVersion"]),
                     headers=self.api.headers)
        for line in conn.getresponse():
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                self.saw(kind, event["type"], event["object"])

    def saw(self, kind, event, obj):
        meta = obj["metadata"]
        with self.lock:
            held = self.objects.setdefault((meta["namespace"], kind), {})
            if event == "DELETED":
                held.pop(meta["name"], None)
            else:
                held[meta["name"]] = obj
            if kind == "Pod" and event == "ADDED":
                self.pods_seen.setdefault(meta["namespace"], {})[meta["uid"]] = obj
            if kind != "Event":
                self.changed[meta["namespace"]] = time.monotonic()
        if kind == "Pod" and event != "DELETED":
            self.pool.submit(self.play_pod, obj)
        if kind == "Job" and event == "ADDED" and meta["namespace"] in self.jobs_complete:
            self.pool.submit(self.end_job, meta["namespace"], meta["name"])

    def play_pod(self, pod):
        meta = pod["metadata"]
        path = path_of("Pod", meta["namespace"], meta["name"])
        do = self.policies.get(meta["namespace"], lambda p: "ready")(pod)
        if meta.get("deletionTimestamp"):
            self.api.call("DELETE", path + "?gracePeriodSeconds=0")
        elif do == "ready" and pod.get("status", {}).get("phase", "Pending") == "Pending":
            with self.lock:
                ip = self.ips.setdefault(meta["uid"], "10.9.%d.%d" % divmod(len(self.ips), 250))
            conditions = [{"type": t, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                          for t in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
            statuses = [{"name": c["name"], "image": "", "imageID": "", "ready": True, "started": True, "restartCount": 0,
                         "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}} for c in pod["spec"]["containers"]]
            self.api.call("PATCH", path + "/status", {"status": {
                "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "10.9.255.1",
                "startTime": "2026-01-01T00:00:00Z", "conditions": conditions, "containerStatuses": statuses}},
                "application/merge-patch+json")

    def end_job(self, ns, name, condition="Complete"):
        before = {"Complete": ("SuccessCriteriaMet", "CompletionsReached"), "Failed": ("FailureTarget", "BackoffLimitExceeded")}
        first, reason = before[condition]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [{"type": t, "status": "True", "reason": reason, "lastProbeTime": now, "lastTransitionTime": now}
                      for t in (first, condition)]
        ended = {"succeeded": 1, "completionTime": now} if condition == "Complete" else {"failed": 1}
        self.api.ok("PATCH", path_of("Job", ns, name, "status"), {"status": {
            "startTime": now, "ready": 0, "active": 0, "uncountedTerminatedPods": {}, "conditions": conditions, **ended}},
            "application/merge-patch+json")

    def namespace(self, dashboard=None):
        with self.lock:
            self.namespaces += 1
            name = "test%d" % self.namespaces
        self.api.ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return Namespace(self, name, dashboard)

    def kubeconfig(self, url):
        """A file for an operator that reaches the server by this URL."""
        with tempfile.NamedTemporaryFile("w", dir=self.dir, delete=False) as f:
            cluster = {"server": url}
            if url.startswith("https"):
                cluster["certificate-authority-data"] = base64.b64encode(self.api.ca.encode()).decode()
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "test",
                       "clusters": [{"name": "test", "cluster": cluster}],
                       "users": [{"name": "test", "user": {"token": TOKEN}}],
                       "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}, f)
            return f.name


class Operator:
    """`manta operator` (supervisor and worker are one process group)."""

    def __init__(self, cluster, url, *flags, program=None, election=False, cwd=None, env=None):
        command = program or [os.path.abspath(common.MANTA), "operator"]
        self.args = [*command, "--kubeconfig", cluster.kubeconfig(url), "--metrics-addr", "0",
                     "--health-probe-bind-address", "0", "--use-kubernetes-proxy",
                     "--enable-leader-election=%s" % str(election).lower(), *flags]
        self.log = tempfile.NamedTemporaryFile(dir=cluster.dir, suffix=".log", delete=False).name
        self.lock, self.process, self.cwd, self.closed = threading.RLock(), None, cwd, False
        self.env = dict(os.environ, **(env or {}))
        self.start()

    def start(self):
        with self.lock, open(self.log, "ab") as log:
            if self.closed:
                return
            self.process = subprocess.Popen(self.args, stdout=log, stderr=log, start_new_session=True, cwd=self.cwd,
                                            env=self.env)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        with self.lock:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def close(self):
        with self.lock:
            self.closed = True
            self.kill()

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


class Namespace:
    """What a test does in a namespace of its own, and what is left there."""

    def __init__(self, cluster, name, dashboard):
        self.cluster, self.api, self.name, self.dashboard = cluster, cluster.api, name, dashboard

    def create(self, obj):
        return self.api.ok("POST", path_of(obj["kind"], self.name), obj)

    def patch(self, kind, name, change, subresource=None):
        return self.api.ok("PATCH", path_of(kind, self.name, name, subresource), change, "application/merge-patch+json")

    def delete(self, kind, name):
        return self.api.ok("DELETE", path_of(kind, self.name, name))

    def policy(self, rule):
        self.cluster.policies[self.name] = rule

    def held(self, kind):
        with self.cluster.lock:
            return list(self.cluster.objects.get((self.name, kind), {}).values())

    def get(self, kind, name):
        with self.cluster.lock:
            return self.cluster.objects.get((self.name, kind), {}).get(name)

    def status(self, kind, name, field):
        return (self.get(kind, name) or {}).get("status", {}).get(field)

    def pods(self, **labels):
        return [p for p in self.held("Pod") if all(
            p["metadata"].get("labels", {}).get("ray.io/" + k.replace("_", "-")) == v for k, v in labels.items())]

    def until(self, what, check, seconds=60):
        return common.wait_for("%s: %s" % (self.name, what), check, seconds)

    def ready(self, cluster, pods, seconds=60):
        """Until so many pods are there and the RayCluster says ready about them."""
        def check():
            c = self.get("RayCluster", cluster)
            return (c and len(self.pods()) == pods and c.get("status", {}).get("state") == "ready"
                    and c["status"].get("observedGeneration") == c["metadata"]["generation"]
                    and c["status"].get("availableWorkerReplicas", 0) == pods - 1)
        self.until("%s ready with %d pods" % (cluster, pods), check, seconds)

    def settle(self, quiet=1.2, seconds=60):
        self.until("nothing changes", lambda: time.monotonic() - self.cluster.changed.get(self.name, 0) > quiet, seconds)

    def reasons(self):
        return {(e.get("type"), e["regarding"]["kind"], e["reason"]) for e in self.held("Event")}

    def outcome(self):
        """Every object in words without chance, in a stable order."""
        out = []
        for kind in KINDS:
            if kind in ("Event", "Lease"):
                continue
            for item in self.api.ok("GET", path_of(kind, self.name))["items"]:
                out.append("%s %s" % (kind, self.masked(item)))
        return sorted(out)

    def masked(self, item):
        meta = item["metadata"]
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
            meta.pop(key, None)
        text = json.dumps(item, sort_keys=True, indent=1)
        for pattern, word in MASKS:
            text = re.sub(pattern, word, text)
        return re.sub(r"\b%s\b" % self.name, "<ns>", text)


RANDOM = r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9])"
MASKS = (
    (r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"', '"<time>"'),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r'"\d+\.\d+\.\d+\.\d+"', '"<ip>"'),
    (RANDOM, "<r>"),
)


class Dashboard:
    """The jobs that a Ray dashboard knows. state: what a job says; known: submitted (or started by the submitter)."""

    def __init__(self, status="RUNNING", known=False):
        self.status, self.known, self.submitted = status, known, []

    def answer(self, method, path, body):
        path = path.split("?")[0].rstrip("/")
        if method == "POST" and path == "/api/jobs":
            self.submitted.append(json.loads(body).get("submission_id"))
            self.known = True
            return 200, {"job_id": self.submitted[-1], "submission_id": self.submitted[-1]}
        if path.endswith("/stop"):
            self.status = "STOPPED"
            return 200, {"stopped": True}
        if path.startswith("/api/jobs/") and not self.known:
            return 404, {"message": "no such job"}
        if path.startswith("/api/jobs/"):
            return 200, {"type": "SUBMISSION", "job_id": "01000000", "submission_id": path.split("/")[-1],
                         "entrypoint": "python x.py", "status": self.status, "message": "a message",
                         "error_type": None, "start_time": 1767225600000, "end_time": 0, "metadata": {}, "runtime_env": {}}
        return 200, {}


# ---- objects ----

def pod_template(**more):
    return {"spec": {"containers": [{"name": "ray", "image": "rayproject/ray:2.52.0",
                                     "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, **more}]}}


def cluster_spec(workers=1, **more):
    return {"rayVersion": "2.52.0", "headGroupSpec": {"rayStartParams": {}, "template": pod_template()},
            "workerGroupSpecs": [{"groupName": "small", "replicas": workers, "minReplicas": 0, "maxReplicas": 1000,
                                  "rayStartParams": {}, "template": pod_template()}], **more}


def ray_cluster(name, workers=1, annotations=None, **more):
    meta = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": meta, "spec": cluster_spec(workers, **more)}


def ray_job(name, **more):
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name},
            "spec": {"entrypoint": "python x.py", "rayClusterSpec": cluster_spec(1), **more}}
