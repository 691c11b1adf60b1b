"""The API server by itself: kubectl, watches, restarts and kill -9 under writes, logs, tokens, memory."""
import base64
import concurrent.futures
import http.client
import json
import os
import random
import signal
import socketserver
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse
from http.server import BaseHTTPRequestHandler

import common
from common import wait_for


class Api:
    """HTTP with the administrator's certificate out of the kubeconfig."""

    def __init__(self, kubeconfig, folder):
        with open(kubeconfig, encoding="utf-8") as f:
            text = f.read()
        value = lambda key: base64.b64decode(text.split(key + ": ")[1].split()[0])
        self.url = urllib.parse.urlsplit(text.split("server: ")[1].split()[0])
        self.tls = ssl.create_default_context(cadata=value("certificate-authority-data").decode())
        pem = os.path.join(folder, "admin.pem")
        with open(pem, "wb") as f:
            f.write(value("client-certificate-data") + value("client-key-data"))
        self.tls.load_cert_chain(pem)
        self.anonymous = ssl.create_default_context(cadata=value("certificate-authority-data").decode())

    def connect(self, anonymous=False, timeout=30):
        return http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=timeout,
                                           context=self.anonymous if anonymous else self.tls)

    def call(self, method, path, body=None, headers=None, anonymous=False):
        c = self.connect(anonymous)
        c.request(method, path, json.dumps(body) if body is not None else None,
                  {"Content-Type": "application/json", **(headers or {})})
        r = c.getresponse()
        text = r.read()
        c.close()
        return r.status, text


def watch(api, path, seconds=5):
    """The events of a watch until it ends or is quiet for so long."""
    c = api.connect(timeout=seconds)
    c.request("GET", path)
    r = c.getresponse()
    try:
        for line in r:
            yield json.loads(line)
    except TimeoutError:
        pass
    finally:
        c.close()


MAPS = "/api/v1/namespaces/default/configmaps"


class ApiServer(common.Scenario):
    def serve(self, *args):
        process = self.apiserver(*args)
        self.api = Api(self.env["KUBECONFIG"], self.dir)
        return process

    def test_kubectl(self):
        self.serve()
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
        self.assertIn("created", self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)).stdout)
        self.assertIn("unchanged", self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)).stdout)
        manifest["data"] = {"y": "2"}
        self.assertIn("configured", self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)).stdout)
        self.assertEqual(self.get("cm", "a")["data"], {"y": "2"})
        self.assertIn("a      1", self.kubectl("get", "cm", "a").stdout)
        self.kubectl("create", "deployment", "d", "--image=i", "--replicas=2")
        self.kubectl("scale", "deployment", "d", "--replicas=5")
        self.assertEqual(self.get("deployment", "d")["spec"]["replicas"], 5)
        self.kubectl("create", "ns", "n")
        self.kubectl("create", "cm", "b", "-n", "n")
        self.kubectl("delete", "ns", "n", timeout=30)
        self.assertEqual(self.kubectl("get", "ns", "n", check=False).returncode, 1)
        self.assertIn("deleted", self.kubectl("delete", "cm", "a").stdout)
        self.assertIn("VERSION:", self.kubectl("explain", "pod.spec.containers").stdout)

    def test_who_may(self):
        tokens = os.path.join(self.dir, "tokens.csv")
        with open(tokens, "w") as f:
            f.write('secret,jane,7,"dev,ops"\n')
        self.serve("--token-auth-file", tokens)
        for path in ("/version", "/healthz", "/livez", "/readyz"):
            self.assertEqual(self.api.call("GET", path, anonymous=True)[0], 200)
        self.assertEqual(self.api.call("GET", MAPS, anonymous=True)[0], 401)
        bearer = {"Authorization": "Bearer nope"}
        self.assertEqual(self.api.call("GET", MAPS, headers=bearer, anonymous=True)[0], 401)
        bearer = {"Authorization": "Bearer secret"}
        self.assertEqual(self.api.call("GET", MAPS, headers=bearer, anonymous=True)[0], 200)
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        who = json.loads(self.api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, bearer,
                                       anonymous=True)[1])
        self.assertEqual(who["status"]["userInfo"]["groups"], ["dev", "ops", "system:authenticated"])
        self.assertEqual(os.stat(self.dir + "/api").st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(self.env["KUBECONFIG"]).st_mode & 0o777, 0o600)

    def test_watch_over_restart(self):
        process = self.serve()
        first = json.loads(self.api.call("POST", MAPS, {"metadata": {"name": "a"}})[1])
        rv = first["metadata"]["resourceVersion"]
        self.api.call("PUT", MAPS + "/a", {"metadata": {"name": "a"}, "data": {"k": "v"}})
        self.end(process)
        self.serve()
        self.api.call("DELETE", MAPS + "/a")
        query = "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da&resourceVersion=" + rv
        self.assertEqual([e["type"] for e in watch(self.api, MAPS + query)], ["MODIFIED", "DELETED"])

    def test_service_of_the_server(self):
        """Service kubernetes leads to the port that the server has, after a restart to the new one."""
        for _ in range(2):
            process = self.serve()
            port = self.api.url.port
            target = lambda: self.get("svc", "kubernetes")["spec"]["ports"][0]["targetPort"]
            wait_for("the Service's targetPort", lambda: target() == port)
            subset = lambda: self.get("endpoints", "kubernetes")["subsets"][0]
            wait_for("the Endpoints' port", lambda: subset()["ports"][0]["port"] == port)
            self.assertEqual(subset()["addresses"], [{"ip": "127.0.0.1"}])
            piece = lambda: self.get("endpointslices", "-l", "kubernetes.io/service-name=kubernetes")["items"][0]
            wait_for("the slice's port", lambda: piece()["ports"][0]["port"] == port)
            self.assertEqual(piece()["endpoints"][0]["addresses"], ["127.0.0.1"])
            self.end(process)

    def test_an_update_keeps_the_address(self):
        """As the operator re-points a head Service: a new spec with the old clusterIP and no clusterIPs."""
        self.serve()
        services = "/api/v1/namespaces/default/services"
        for name, ip in ("headless", "None"), ("plain", ""):
            service = {"metadata": {"name": name}, "spec": {"clusterIP": ip, "selector": {"a": "b"}, "ports": [{"port": 80}]}}
            made = json.loads(self.api.call("POST", services, service)[1])
            spec = {"clusterIP": made["spec"]["clusterIP"], "selector": {"c": "d"}, "ports": [{"port": 81}]}
            code, text = self.api.call("PUT", services + "/" + name, {"metadata": {"name": name}, "spec": spec})
            self.assertEqual(code, 200, text)
            self.assertEqual(json.loads(text)["spec"]["clusterIPs"], made["spec"]["clusterIPs"])

    def test_deletions_as_asked(self):
        """Preconditions, options in the body, and what a second DELETE does."""
        self.serve()
        uid = json.loads(self.api.call("POST", MAPS, {"metadata": {"name": "a"}})[1])["metadata"]["uid"]
        delete = lambda body, path="/a": (lambda s, t: (s, json.loads(t)))(*self.api.call("DELETE", MAPS + path, body))
        status, answer = delete({"preconditions": {"uid": "other"}})
        self.assertEqual((status, answer["details"]), (409, {"name": "a", "kind": "ConfigMap"}))
        self.assertEqual(delete({"preconditions": {"resourceVersion": "1"}})[0], 409)
        self.assertEqual(delete({"kind": "Secret", "apiVersion": "v1"})[0], 400)
        self.assertEqual(delete({"dryRun": ["Some"]})[0], 422)
        self.assertEqual(delete({"dryRun": ["All"]})[0], 200)
        self.assertEqual(delete({"orphanDependents": True, "propagationPolicy": "Orphan"})[0], 422)
        self.assertEqual(delete({"preconditions": {"uid": uid}})[0], 200)
        self.assertEqual(delete({})[0], 404)
        pods = "/api/v1/namespaces/default/pods"
        pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
        wait_for("the account of the pod", lambda: self.api.call("POST", pods, pod)[0] == 201)
        seen = [json.loads(self.api.call("DELETE", pods + "/p", {"gracePeriodSeconds": n})[1])["metadata"]
                for n in (20, 5, 50)]
        self.assertEqual([m["deletionGracePeriodSeconds"] for m in seen], [20, 5, 5])
        self.assertEqual([m["generation"] for m in seen], [2, 2, 2])

    def test_selections(self):
        self.serve()
        for n in "abc":
            self.api.call("POST", MAPS, {"metadata": {"name": n, "labels": {"s": ""}}})
        page = lambda q: json.loads(self.api.call("GET", MAPS + "?labelSelector=s&" + q)[1])
        self.assertEqual(len(page("limit=1&resourceVersion=0")["items"]), 3)  # from memory: whole
        self.assertEqual(len(page("limit=1")["items"]), 1)
        self.assertEqual(self.api.call("GET", MAPS + "/a?resourceVersion=99999999")[0], 504)
        self.assertEqual(self.api.call("HEAD", MAPS + "/a")[0], 405)
        events = "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector="
        self.assertEqual(self.api.call("GET", events + "regarding.kind%3DPod")[0], 200)
        self.assertEqual(self.api.call("GET", events + "involvedObject.kind%3DPod")[0], 400)
        self.assertIn("/apis/apps/v1", json.loads(self.api.call("GET", "/")[1])["paths"])

    def test_initial_events(self):
        self.serve()
        self.api.call("POST", MAPS, {"metadata": {"name": "a", "labels": {"w": "1"}}})
        query = ("?watch=1&timeoutSeconds=1&labelSelector=w&sendInitialEvents=true&allowWatchBookmarks=true"
                 "&resourceVersionMatch=NotOlderThan")
        events = list(watch(self.api, MAPS + query))
        self.assertEqual([e["type"] for e in events[:2]], ["ADDED", "BOOKMARK"])
        self.assertEqual(events[1]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        self.assertEqual(self.api.call("GET", MAPS + "?watch=1&sendInitialEvents=true")[0], 422)

    def test_watcher_that_does_not_read(self):
        self.serve()
        stuck = self.api.connect()
        stuck.request("GET", MAPS + "?watch=1")
        stuck.getresponse()
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(
            e["object"]["metadata"]["name"] for e in watch(self.api, MAPS + "?watch=1&labelSelector=big", 3)))
        reader.start()
        time.sleep(0.2)
        for i in range(60):
            body = {"metadata": {"name": "m%d" % i, "labels": {"big": ""}}, "data": {"k": "x" * 100000}}
            self.assertEqual(self.api.call("POST", MAPS, body)[0], 201)
        reader.join()
        self.assertEqual(len(seen), 60)
        got, piece = 0, b"x"
        while piece:  # cut off: an error or an end, well before all was sent; a timeout fails the test
            try:
                piece = stuck.sock.recv(65536)
            except (ConnectionError, ssl.SSLError):
                break
            got += len(piece)
        self.assertLess(got, 6000000)
        stuck.close()

    def test_kill_under_writes(self):
        """kill -9 at random moments: no acknowledged write is lost, versions never go back."""
        acknowledged, highest, lock = {}, [0], threading.Lock()

        def write(number, until):
            c = self.api.connect(timeout=5)
            while not until.is_set():
                name = "w%d-%d" % (number, random.getrandbits(48))
                try:
                    c.request("POST", MAPS, json.dumps({"metadata": {"name": name}}),
                              {"Content-Type": "application/json"})
                    r = c.getresponse()
                    body = r.read()
                except (OSError, http.client.HTTPException):
                    return
                if r.status == 201:
                    rv = int(json.loads(body)["metadata"]["resourceVersion"])
                    with lock:
                        acknowledged[name] = rv

        for round in range(6):
            process = self.serve()
            status, text = self.api.call("GET", MAPS + "?limit=1")
            now = int(json.loads(text)["metadata"]["resourceVersion"])
            self.assertGreaterEqual(now, highest[0])
            until = threading.Event()
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                for n in range(16):
                    pool.submit(write, n, until)
                before = len(acknowledged)
                wait_for("writes of this round", lambda: len(acknowledged) > before + 16, 60)
                time.sleep(random.uniform(0, 0.4))
                process.send_signal(signal.SIGKILL)
                process.wait()
                until.set()
            highest[0] = max([highest[0], *acknowledged.values()])
        self.serve()
        items = json.loads(self.api.call("GET", MAPS)[1])["items"]
        there = {i["metadata"]["name"]: int(i["metadata"]["resourceVersion"]) for i in items}
        lost = [n for n, rv in acknowledged.items() if there.get(n) != rv]
        self.assertEqual(lost, [])

    def test_pages_are_one_snapshot(self):
        self.serve()
        for name in "abcde":
            self.api.call("POST", MAPS, {"metadata": {"name": name, "labels": {"p": ""}}})
        page = json.loads(self.api.call("GET", MAPS + "?limit=2&labelSelector=p")[1])
        self.api.call("DELETE", MAPS + "/c")
        self.api.call("POST", MAPS, {"metadata": {"name": "bb", "labels": {"p": ""}}})
        names = [i["metadata"]["name"] for i in page["items"]]
        while page["metadata"].get("continue"):
            query = "?limit=2&labelSelector=p&continue=" + page["metadata"]["continue"]
            page = json.loads(self.api.call("GET", MAPS + query)[1])
            names += [i["metadata"]["name"] for i in page["items"]]
        self.assertEqual(names, list("abcde"))

    def test_logs_come_from_the_kubelet(self):
        path = os.path.join(self.dir, "kubelet.sock")

        class Kubelet(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                for n in range(3):
                    self.wfile.write(b"line %d of %s\n" % (n, self.path.encode()))
                    time.sleep(0.05)

            def log_message(self, *args):
                pass

            def address_string(self):
                return ""

        server = socketserver.ThreadingUnixStreamServer(path, Kubelet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.serve()
        node = {"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": "n", "annotations": {"manta.io/kubelet-socket": path}}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
               "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
        wait_for("the account of the pod", lambda: "default" in self.kubectl("get", "sa").stdout)
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [node, pod]}))
        out = self.kubectl("logs", "p", "-f", "--tail=3").stdout.splitlines()
        self.assertEqual(len(out), 3)
        self.assertIn("/containerLogs/default/p/c?", out[0])
        self.assertIn("follow=true", out[0])

    def test_ready_soon_and_small(self):
        process = self.serve()  # makes the CA
        self.end(process)
        os.unlink(self.env["KUBECONFIG"])
        begin = time.monotonic()
        process = self.start("apiserver", "--listen", "127.0.0.1:0", "--state", self.dir + "/api",
                             "--write-kubeconfig", self.env["KUBECONFIG"])
        while not os.path.exists(self.env["KUBECONFIG"]):
            time.sleep(0.001)
        self.api = Api(self.env["KUBECONFIG"], self.dir)
        self.assertEqual(self.api.call("GET", MAPS)[0], 200)
        took = time.monotonic() - begin
        print("first answer after %.0f ms" % (took * 1000))
        self.assertLess(took, 2)  # the figure is in docs/performance.md; this only catches a stall
        self.assertEqual(self.end(process), 0)  # SIGTERM is a clean end


if __name__ == "__main__":
    common.main()
