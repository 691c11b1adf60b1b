#!/usr/bin/env python3
"""What an operator of ray.io costs on an API server whose pods become ready by themselves (kwok, or nodes).

    bench/operator.py --kubeconfig FILE [-n 500] [options] -- COMMAND [ARGS…]

COMMAND is any operator; it gets KUBECONFIG (--operator-kubeconfig, else the same) and is ended at the end. N RayClusters of
one head and one worker are created over four connections and watched until all are ready; then it rests; then they are
deleted. The CRDs of ray.io must be there, and no RayCluster. With --lease NS/NAME the time from exec to the first
holder of that lease is measured as well (give COMMAND the flags for it). With --audit-log FILE the requests of --user
are counted a phase: an audit log of kube-apiserver, level Metadata.

Prints JSON: seconds; CPU seconds and memory (KB) of COMMAND and all its children together.
"""
import argparse
import base64
import collections
import datetime
import glob
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

RAYCLUSTERS = "/apis/ray.io/v1/rayclusters"
TICK = os.sysconf("SC_CLK_TCK")


# ---- the API server ----

class Api:
    def __init__(self, kubeconfig):
        config = read_config(kubeconfig)
        named = lambda kind, name: next(x for x in config[kind + "s"] if x["name"] == name)[kind]
        context = named("context", config["current-context"])
        cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
        self.url = urllib.parse.urlsplit(cluster["server"])
        self.headers = {"Content-Type": "application/json"}
        if "token" in user:
            self.headers["Authorization"] = "Bearer " + user["token"]
        self.tls = ssl.create_default_context() if self.url.scheme == "https" else None
        if self.tls:
            self.trust(cluster, user)
        self.local = threading.local()

    def trust(self, cluster, user):
        data = cluster.get("certificate-authority-data")
        if data:
            self.tls.load_verify_locations(cadata=base64.b64decode(data).decode())
        elif "certificate-authority" in cluster:
            self.tls.load_verify_locations(cluster["certificate-authority"])
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as pem:
                for part in ("client-certificate-data", "client-key-data"):
                    pem.write(base64.b64decode(user[part]) + b"\n")
                pem.flush()
                self.tls.load_cert_chain(pem.name)
        elif "client-certificate" in user:
            self.tls.load_cert_chain(user["client-certificate"], user["client-key"])

    def connect(self, timeout=60):
        host, port = self.url.hostname, self.url.port or (443 if self.tls else 80)
        if self.tls:
            return http.client.HTTPSConnection(host, port, context=self.tls, timeout=timeout)
        return http.client.HTTPConnection(host, port, timeout=timeout)

    def call(self, method, path, body=None):
        if not hasattr(self.local, "conn"):
            self.local.conn = self.connect()
        self.local.conn.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.local.conn.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def must(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if status >= 300:
            sys.exit("%s %s: %d %s" % (method, path, status, answer.get("message")))
        return answer

    def watch(self, path, rv):
        """Events, for as long as the server lets us."""
        conn = self.connect(timeout=3600)
        conn.request("GET", "%s?watch=1&resourceVersion=%s&timeoutSeconds=3500" % (path, rv), headers=self.headers)
        for line in conn.getresponse():
            yield json.loads(line)


def read_config(path):
    text = open(path).read()
    try:
        return json.loads(text)
    except ValueError:
        import yaml
        return yaml.safe_load(text)


# ---- a process and its children ----

def family(pid):
    kids = collections.defaultdict(list)
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            stat = open(path).read()
        except OSError:
            continue
        kids[int(stat.rsplit(")", 1)[1].split()[1])].append(int(stat.split()[0]))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += kids[found[-1]]
    return found


def cpu(pid):
    ticks = 0
    for one in family(pid):
        try:
            fields = open("/proc/%d/stat" % one).read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def memory(pid):
    sums = collections.Counter()
    for one in family(pid):
        try:
            lines = open("/proc/%d/smaps_rollup" % one).readlines()
        except OSError:
            continue
        for line in lines:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss", "Anonymous"):
                sums[name.lower() + "_kb"] += int(rest.split()[0])
    return dict(sums)


def busy():
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


# ---- the clusters ----

def cluster(name):
    def template(container):
        room = {"cpu": "1", "memory": "2Gi"}
        return {"spec": {"containers": [{"name": container, "image": "rayproject/ray:2.52.0",
                                         "resources": {"requests": room, "limits": room}}]}}

    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name},
            "spec": {"rayVersion": "2.52.0",
                     "headGroupSpec": {"rayStartParams": {}, "template": template("ray-head")},
                     "workerGroupSpecs": [{"groupName": "workers", "replicas": 1, "minReplicas": 1, "maxReplicas": 3,
                                           "rayStartParams": {}, "template": template("ray-worker")}]}}


class Seen(threading.Thread):
    """Follows all RayClusters: when each was first ready, which are there."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.ready, self.there, self.news = api, {}, set(), threading.Condition()
        self.rv = api.must("GET", RAYCLUSTERS + "?limit=1")["metadata"]["resourceVersion"]

    def run(self):
        for event in self.api.watch(RAYCLUSTERS, self.rv):
            if event["type"] == "ERROR":
                sys.exit("the watch ended: %s" % event)
            name, status = event["object"]["metadata"]["name"], event["object"].get("status") or {}
            with self.news:
                if event["type"] == "DELETED":
                    self.there.discard(name)
                else:
                    self.there.add(name)
                    if status.get("state") == "ready":
                        self.ready.setdefault(name, time.monotonic())
                self.news.notify_all()

    def wait(self, test, seconds):
        with self.news:
            return self.news.wait_for(test, seconds)


def in_parallel(names, work, threads=4):
    names, lock = iter(names), threading.Lock()

    def run():
        while True:
            with lock:
                name = next(names, None)
            if name is None:
                return
            work(name)

    crew = [threading.Thread(target=run) for _ in range(threads)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()


def count_requests(path, user, phases):
    counts, known = {name: collections.Counter() for name, _, _ in phases}, set()
    for line in open(path):
        event = json.loads(line)
        if event["auditID"] in known or event["user"]["username"] != user:
            continue
        known.add(event["auditID"])
        at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"].replace("Z", "+00:00")).timestamp()
        ref = event.get("objectRef") or {}
        what = "/".join(x for x in (ref.get("resource"), ref.get("subresource")) if x) or event["requestURI"]
        for name, begin, end in phases:
            if begin <= at < end:
                counts[name]["all"] += 1
                counts[name]["%s %s" % (event["verb"], what)] += 1
    return {name: dict(c.most_common()) for name, c in counts.items()}


# ---- one run ----

class Run:
    def __init__(self, args):
        self.args, self.api = args, Api(args.kubeconfig)
        self.base = "/apis/ray.io/v1/namespaces/%s/rayclusters" % args.namespace
        self.names = ["bench-%05d" % i for i in range(args.n)]
        self.phases, self.result = [], {"clusters": args.n, "command": args.command,
                                        "server": self.api.must("GET", "/version")["gitVersion"]}

    def start(self):
        args, held = self.args, threading.Event()
        if args.lease:
            ns, name = args.lease.split("/")
            base = "/apis/coordination.k8s.io/v1/namespaces/%s/leases" % ns
            self.api.call("DELETE", base + "/" + name)
            rv = self.api.must("GET", base)["metadata"]["resourceVersion"]

            def follow():
                for event in self.api.watch(base, rv):
                    lease = event["object"]
                    if lease["metadata"]["name"] == name and lease["spec"].get("holderIdentity"):
                        return held.set()

            threading.Thread(target=follow, daemon=True).start()
            time.sleep(0.5)  # the watch is under way
        began = time.monotonic()
        environment = dict(os.environ, KUBECONFIG=args.operator_kubeconfig or args.kubeconfig)
        self.process = subprocess.Popen(args.command, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=open(args.log, "w"))
        if args.lease and held.wait(30):
            self.result["lease_ms"] = round((time.monotonic() - began) * 1000, 1)
        time.sleep(args.settle)
        self.result["before"] = memory(self.process.pid)

    def phase(self, name, work):
        pid, wall, began = self.process.pid, time.time(), time.monotonic()
        mine, all_of_it = cpu(pid), busy()
        figures = work() or {}
        self.result[name] = dict(figures, seconds=round(time.monotonic() - began, 2), cpu_s=round(cpu(pid) - mine, 2),
                                 machine_cpu_s=round(busy() - all_of_it, 1), **memory(pid))
        self.phases.append((name, wall, time.time()))

    def make_ready(self):
        posted = {}

        def create(name):
            self.api.must("POST", self.base, cluster(name))
            posted[name] = time.monotonic()

        began = time.monotonic()
        in_parallel(self.names, create)
        created = time.monotonic() - began
        self.seen.wait(lambda: len(self.seen.ready) == len(self.names), self.args.limit)
        waits = sorted(self.seen.ready[x] - posted[x] for x in self.seen.ready) or [0]
        return {"ready": len(self.seen.ready), "created_s": round(created, 2),
                "latency_p50_s": round(waits[len(waits) // 2], 2), "latency_max_s": round(waits[-1], 2)}

    def delete(self):
        in_parallel(self.names, lambda name: self.api.call("DELETE", self.base + "/" + name,
                                                           {"propagationPolicy": "Background"}))
        self.seen.wait(lambda: not self.seen.there, self.args.limit)

    def all(self):
        if self.api.must("GET", RAYCLUSTERS + "?limit=1")["items"]:
            sys.exit("there are RayClusters already")
        self.api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                                     "metadata": {"name": self.args.namespace}})
        self.start()
        try:
            self.seen = Seen(self.api)
            self.seen.start()
            self.phase("ready", self.make_ready)
            self.phase("idle", lambda: time.sleep(self.args.idle))
            if not self.args.keep:
                self.phase("delete", self.delete)
        finally:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        if self.args.audit_log:
            time.sleep(1)
            self.result["requests"] = count_requests(self.args.audit_log, self.args.user, self.phases)
        print(json.dumps(self.result, indent=1))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--kubeconfig", required=True)
    ap.add_argument("--operator-kubeconfig", help="for COMMAND; else the same")
    ap.add_argument("-n", type=int, default=500)
    ap.add_argument("--namespace", default="bench")
    ap.add_argument("--settle", type=float, default=5, help="seconds from its start to the first RayCluster")
    ap.add_argument("--idle", type=float, default=60, help="seconds of rest, measured")
    ap.add_argument("--limit", type=float, default=1800, help="seconds to wait for ready, and for gone")
    ap.add_argument("--keep", action="store_true", help="delete nothing at the end")
    ap.add_argument("--lease", metavar="NS/NAME")
    ap.add_argument("--audit-log")
    ap.add_argument("--user", default="operator")
    ap.add_argument("--log", default=os.devnull, help="what COMMAND writes to standard error")
    ap.add_argument("command", nargs="+")
    Run(ap.parse_args()).all()


if __name__ == "__main__":
    main()
