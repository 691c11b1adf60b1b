"""kill -9 of the API server at random moments under writes: what was acknowledged stays, versions never go back,
an old watch goes on where it was or is told 410. KILLS (30) and WRITERS (12) say how hard."""
import base64
import http.client
import json
import os
import random
import signal
import ssl
import threading
import time
import urllib.parse

import common
from common import Scenario, wait_for

KILLS = int(os.environ.get("KILLS", "30"))
WRITERS = int(os.environ.get("WRITERS", "12"))
PATH = "/api/v1/namespaces/default/configmaps"
LOST = (OSError, http.client.HTTPException)


class Api:
    """One connection, made anew whenever it died."""

    def __init__(self, config):
        self.host = urllib.parse.urlparse(config["server"])
        self.tls = ssl.create_default_context(cadata=config["ca"])
        self.tls.check_hostname = False
        self.tls.load_cert_chain(config["pem"])
        self.headers = {"Content-Type": "application/json"}
        self.connection = None

    def send(self, method, path, body=None, timeout=10):
        """The response, not yet read; LOST when nobody knows what became of the request."""
        if not self.connection:
            self.connection = http.client.HTTPSConnection(self.host.hostname, self.host.port, context=self.tls,
                                                          timeout=timeout)
        try:
            self.connection.request(method, path, body and json.dumps(body), self.headers)
            return self.connection.getresponse()
        except LOST:
            self.close()
            raise

    def ask(self, method, path, body=None):
        response = self.send(method, path, body)
        try:
            return response.status, json.loads(response.read())
        except (*LOST, ValueError):
            self.close()
            raise OSError("answer cut off") from None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def version(o):
    return int(o["metadata"]["resourceVersion"])


class Writer(threading.Thread):
    """Makes config maps and counts in them; remembers what was acknowledged and what may have happened."""

    def __init__(self, config, number):
        super().__init__(daemon=True)
        self.api, self.number = Api(config), number
        self.acknowledged, self.maybe = {}, {}
        self.newest, self.writes, self.wrong, self.stop = 0, 0, [], False

    def write(self, name, count):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": str(count)}}
        self.maybe[name] = count
        known = name in self.acknowledged
        status, answer = self.api.ask("PUT" if known else "POST", PATH + "/" + name if known else PATH, body)
        if status == 409 and not known:  # the lost answer of an earlier attempt
            status, answer = self.api.ask("GET", PATH + "/" + name)
        if status not in (200, 201):
            self.wrong.append("%s %s" % (status, answer))
            return
        if status != 200 or known:
            if version(answer) <= self.newest:
                self.wrong.append("version %d after %d" % (version(answer), self.newest))
        self.newest = max(self.newest, version(answer))
        self.acknowledged[name] = int(answer["data"]["n"])
        self.writes += 1

    def run(self):
        step = 0
        while not self.stop and not self.wrong:
            name, count = "w%d-%d" % (self.number, step // 10), step % 10
            try:
                self.write(name, count)
                step += 1
            except LOST:
                time.sleep(0.01)


class Watcher(threading.Thread):
    """One watch that outlives its server: resumes where it was, lists anew after 410."""

    def __init__(self, config, since):
        super().__init__(daemon=True)
        self.api, self.at = Api(config), since
        self.seen, self.gone, self.resumed, self.wrong, self.stop = {}, 0, 0, [], False

    def event(self, line):
        event = json.loads(line)
        if event["type"] == "ERROR":
            self.gone += event["object"]["code"] == 410
            raise OSError("watch ended by the server")
        if version(event["object"]) <= self.at:
            self.wrong.append("event %d after %d" % (version(event["object"]), self.at))
        self.at = version(event["object"])
        if event["type"] != "BOOKMARK":
            name = event["object"]["metadata"]["name"]
            self.seen[name] = event["object"].get("data", {}).get("n")

    def watch(self):
        response = self.api.send("GET", "%s?watch=1&resourceVersion=%d" % (PATH, self.at), timeout=2)
        if response.status == 410:
            self.gone += 1
            raise OSError("410")
        if response.status != 200:
            raise OSError(response.status)
        self.resumed += 1
        while not self.stop:
            line = response.readline()
            if not line:
                raise OSError("cut")
            self.event(line)

    def relist(self):
        _, answer = self.api.ask("GET", PATH)
        for o in answer["items"]:
            self.seen[o["metadata"]["name"]] = o.get("data", {}).get("n")
        self.at = version(answer)

    def run(self):
        gone = 0
        while not self.stop:
            try:
                if self.gone > gone:
                    self.relist()
                    gone = self.gone
                self.watch()
            except (*LOST, ValueError):
                self.api.close()
                time.sleep(0.01)


class Crash(Scenario):
    def config(self):
        view = json.loads(self.kubectl("config", "view", "--raw", "-o", "json").stdout)
        cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
        pem = self.dir + "/client.pem"
        with open(pem, "wb") as f:
            for part in ("client-certificate-data", "client-key-data"):
                f.write(base64.b64decode(user[part]))
        return {"server": cluster["server"], "pem": pem,
                "ca": base64.b64decode(cluster["certificate-authority-data"]).decode()}

    def restart(self, server):
        file = self.env["KUBECONFIG"]
        server.send_signal(signal.SIGKILL)
        server.wait()
        os.unlink(file)
        port = urllib.parse.urlparse(self.known["server"]).port
        server = self.start("apiserver", "--listen", "127.0.0.1:%d" % port, "--state", self.dir + "/api",
                            "--write-kubeconfig", file)
        wait_for("API server to come back", lambda: os.path.exists(file) or server.poll() is not None)
        self.assertIsNone(server.poll(), open(server.log).read()[-2000:])
        return server

    def check(self, api, writers, floor):
        """What the server has now, against what it acknowledged before this."""
        promised = [(dict(w.acknowledged), w.newest) for w in writers]
        _, answer = api.ask("GET", PATH)
        has = {o["metadata"]["name"]: int(o["data"]["n"]) for o in answer["items"]
               if o["metadata"]["name"].startswith("w")}
        for acknowledged, newest in promised:
            self.assertGreaterEqual(version(answer), newest, "the list is older than an acknowledged write")
            for name, count in acknowledged.items():
                self.assertIn(name, has, "an acknowledged create is lost")
                self.assertGreaterEqual(has[name], count, "an acknowledged write of %s is lost" % name)
        self.assertGreaterEqual(version(answer), floor)
        return version(answer)

    def test_kill_under_writes(self):
        server = self.apiserver()
        self.known = self.config()
        api = Api(self.known)
        floor = version(api.ask("GET", PATH)[1])
        watcher = Watcher(self.known, floor)
        writers = [Writer(self.known, n) for n in range(WRITERS)]
        for thread in (watcher, *writers):
            thread.start()
        seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
        print("seed", seed)
        chance = random.Random(seed)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.4))
            server = self.restart(server)
            api.close()
            floor = self.check(api, writers, floor)
            self.assertEqual([], [e for w in writers for e in w.wrong] + watcher.wrong)
        for w in writers:
            w.stop = True
        for w in writers:
            w.join(15)
        floor = self.check(api, writers, floor)
        last = {o["metadata"]["name"]: o.get("data", {}).get("n") for o in api.ask("GET", PATH)[1]["items"]}
        wait_for("the watch to have seen all", lambda: {k: v for k, v in watcher.seen.items() if k in last} ==
                 {k: v for k, v in last.items() if k in watcher.seen} and
                 all(k in watcher.seen for k in last if k.startswith("w")), 10)
        watcher.stop = True
        self.assertEqual([], [e for w in writers for e in w.wrong] + watcher.wrong)
        self.assertGreater(sum(w.writes for w in writers), KILLS)
        print("%d writes, %d kills, the watch resumed %d times, %d times 410" % (
            sum(w.writes for w in writers), KILLS, watcher.resumed, watcher.gone))


if __name__ == "__main__":
    common.main()
