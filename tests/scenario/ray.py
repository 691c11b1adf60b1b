"""Real Ray on the real binary: `manta run` and `manta up`, good ends and bad ones. LONG=1 adds the slow cases."""
import json
import re
import signal
import subprocess
import time
import unittest

import raykit
from common import MANTA, wait_for
from raykit import LONG, RayScenario, cluster_is_ready, kill, processes_of, python, ray_cluster, ray_job


def setUpModule():
    reason = raykit.need_ray(RayScenario)
    if reason:
        raise unittest.SkipTest(reason)


class Alone(RayScenario):
    """`manta run` with an instance that lasts as long as somebody uses it."""

    def test_two_at_once_share_one_instance(self):
        first = self.run_job("first", python("print(1 + 1)"), workers=1)
        first.wait_text("RayJob: default/first")
        second = self.run_job("second", python("print(3 * 5)"), mode="K8sJobMode")
        second.wait_text("RayJob: default/second")
        self.assertEqual(sum("manta host" in c for _, c in processes_of(self.dir)), 1)
        self.assertIn("\n2\n", first.ends(0, "SUCCEEDED").stdout())
        self.assertIn("\n15\n", second.ends(0, "SUCCEEDED").stdout())
        self.assertNothingLeft()

    def test_interrupted(self):
        run = self.run_job("endless", python("import time; print(\"here\", flush=True); time.sleep(600)"))
        run.wait_text("here\n")
        run.process.send_signal(signal.SIGINT)
        run.ends(130, seconds=60)
        self.assertNothingLeft()

    def test_interrupted_early(self):
        run = self.run_job("early", python("print(1)"))
        run.wait_text("head pod")
        run.process.send_signal(signal.SIGINT)
        run.ends(130, seconds=60)
        self.assertNothingLeft()

    def test_killed_head(self):
        """The head comes back, and the job runs again: as upstream's operator has it in HTTPMode."""
        run = self.run_job("headless", python("import time; print(\"here\", flush=True); time.sleep(20); print(\"end\")"))
        run.wait_text("here\n")
        heads = [pid for pid, c in processes_of(self.dir) if re.search(r"bin/ray start\b.*--head", c)]
        self.assertTrue(heads, processes_of(self.dir))
        for pid in heads:
            kill(pid)
        run.ends(0, "SUCCEEDED", seconds=120)
        self.assertEqual((run.stdout().count("here\n"), run.stdout().count("end\n")), (2, 1), run.text())
        self.assertNothingLeft()


    def test_sidecar_mode(self):
        """The submitter is a container beside the head, and the end is the RayJob's."""
        run = self.run_job("beside", python("print(\"from beside\", 6 * 7)"), mode="SidecarMode")
        out = run.ends(0, "SUCCEEDED").stdout()
        self.assertEqual(out.count("from beside 42\n"), 1, run.text())
        self.assertNothingLeft()

    def test_sidecar_mode_fails(self):
        self.run_job("beside-seven", python("raise SystemExit(7)"), mode="SidecarMode").ends(1, "FAILED")
        self.assertNothingLeft()

    def test_a_package_from_the_index(self):
        """A pod reaches the internet, or the node says that it does not. The index is the machine's own."""
        self.manta("up", "--detach")
        node = self.get("node", "manta")
        way = {c["type"]: c for c in node["status"]["conditions"]}["PodsReachInternet"]
        if way["status"] != "True":
            self.assertIn("slirp4netns", way["message"])
        else:
            code = ("import subprocess, sys; subprocess.run([sys.executable, \"-m\", \"pip\", \"download\", \"-q\", \"--no-deps\", "
                    "\"--no-cache-dir\", \"-d\", \"/tmp/got\", \"iniconfig\"], check=True); import os; print(os.listdir(\"/tmp/got\"))")
            on_machine = subprocess.run([raykit.python_of_ray(), "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir",
                                         "-d", self.dir + "/got", "iniconfig"], capture_output=True, check=False)
            run = self.run_job("fetch", python(code))
            if on_machine.returncode == 0:
                self.assertIn("iniconfig-", run.ends(0, "SUCCEEDED").stdout(), run.text())
        self.manta("down", "--purge")
        self.assertNothingLeft()

    def test_two_clusters_side_by_side(self):
        """Two namespaces, the same ports, both at work at the same time; each sees its own nodes only."""
        code = ("import ray, time; ray.init(); "
                "ips = sorted(n[\"NodeManagerAddress\"] for n in ray.nodes() if n[\"Alive\"]); "
                "print(\"nodes\", *ips, flush=True); time.sleep(8); print(\"over\")")
        self.manta("up", "--detach")
        for ns in ("left", "right"):
            self.kubectl("create", "namespace", ns)
        runs = [self.run_job("same", python(code), ns=ns, workers=1, file="same-" + ns) for ns in ("left", "right")]
        nodes = []
        for run in runs:
            run.wait_text("nodes ", 240)
        self.assertEqual([run.process.poll() for run in runs], [None, None], "they did not run at the same time")
        for run in runs:
            out = run.ends(0, "SUCCEEDED").stdout()
            self.assertEqual(out.count("over\n"), 1, run.text())
            nodes.append(re.search(r"^nodes (.*)$", out, re.M).group(1).split())
        self.assertEqual([len(n) for n in nodes], [2, 2])
        self.assertFalse(set(nodes[0]) & set(nodes[1]), nodes)
        self.manta("down", "--purge")
        self.assertNothingLeft()


class Bad(RayScenario):
    """Bad input: a clear message, and quickly."""

    def fails(self, text, code, *words, seconds=10):
        file = self.dir + "/bad.yaml"
        with open(file, "w") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        start = time.monotonic()
        done = self.manta("run", file, check=False, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertLess(time.monotonic() - start, seconds, done.stderr)
        self.assertNothingLeft()

    def test_no_job_in_it(self):
        self.fails(ray_cluster("c"), 2, "no RayJob", "manta up")

    def test_two_jobs(self):
        self.fails("%s\n---\n%s\n" % (json.dumps(ray_job("a", "true")), json.dumps(ray_job("b", "true"))), 2,
                   "second RayJob")

    def test_no_file(self):
        done = self.manta("run", self.dir + "/nowhere.yaml", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere.yaml", done.stderr)

    def test_bad_yaml_has_a_line(self):
        self.fails("apiVersion: ray.io/v1\nkind: RayJob\nmetadata:\n\tname: x\n", 2, "bad.yaml", "line 4")

    def test_unknown_field(self):
        job = ray_job("a", "true")
        job["spec"]["entryPoint"] = "x"
        self.fails(job, 2, "spec.entryPoint", "unknown field")

    def test_wrong_type(self):
        self.fails(ray_job("a", "true", backoffLimit="three"), 2, "spec.backoffLimit")

    def test_invalid_job(self):
        self.fails(ray_job("a", "true", ttlSecondsAfterFinished=5, shutdownAfterJobFinishes=False), 1,
                   "TTLSecondsAfterFinished", seconds=20)

    def test_image_that_cannot_be_had(self):
        self.fails(ray_job("a", "true", image="example.org/none:1"), 1, "ErrImagePull", "example.org/none:1",
                   "manta image add", seconds=20)

    def test_ray_version_that_does_not_exist(self):
        self.fails(ray_job("a", "true", image="rayproject/ray:2.999.0"), 1, "ErrImagePull", "2.999.0", seconds=60)


class Shared(RayScenario):
    """Jobs in one RayCluster of one `manta up --detach`."""

    @classmethod
    def setUpClass(cls):
        cls.common = cls.folder()
        file = cls.common[0] + "/shared.yaml"
        with open(file, "w") as f:
            json.dump(ray_cluster("shared", workers=2), f)
        subprocess.run([MANTA, "up", "--detach", file], env=cls.common[1], check=True, timeout=60)

    @classmethod
    def tearDownClass(cls):
        subprocess.run([MANTA, "down", "--purge"], env=cls.common[1], check=False, timeout=120)
        subprocess.run(["rm", "-rf", cls.common[0]], check=False)

    def setUp(self):
        self.dir, self.env = self.common
        cluster_is_ready(self, "shared")

    def submit(self, name, entrypoint, **more):
        return self.run_job(name, entrypoint, selector="shared", **more)

    def test_exit_code(self):
        self.submit("seven", "python -c \"import sys; sys.exit(7)\"").ends(1, "FAILED")

    def test_says_succeeded_and_fails(self):
        self.submit("liar", python("print(\"SUCCEEDED\"); raise SystemExit(1)")).ends(1, "FAILED")

    def test_quotes(self):
        run = self.submit("quotes", """python -c 'import sys; print(sys.argv[1:])' "a  b" 'c"d' e\\ f $((1+2)) "it's" """)
        run.ends(0, "SUCCEEDED")
        self.assertIn("""['a  b', 'c"d', 'e f', '3', "it's"]\n""", run.stdout())

    def test_long_log(self):
        line = "0123456789abcdef" * 6
        code = "for i in range(105000): print(\"%%07d %s\" %% i)" % line
        out = self.submit("chatty", python(code)).ends(0, "SUCCEEDED", 240).stdout()
        want = "".join("%07d %s\n" % (i, line) for i in range(105000))
        self.assertGreater(len(want), 10 << 20)
        at = out.index("0000000 ")
        self.assertTrue(out[at:] == want + "SUCCEEDED\n", "the log differs: %d of %d bytes" % (len(out) - at, len(want)))

    def test_k8s_job_mode(self):
        run = self.submit("k8s", python("print(\"by a Job\")"), mode="K8sJobMode")
        run.ends(0, "SUCCEEDED")
        self.assertEqual(run.stdout().count("by a Job\n"), 1, run.text())

    def test_k8s_job_mode_fails(self):
        self.submit("k8s-seven", python("raise SystemExit(7)"), mode="K8sJobMode").ends(1, "FAILED")

    def test_tasks_on_every_node(self):
        code = ("import ray; ray.init(); from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as N; "
                "f = ray.remote(lambda: ray.get_runtime_context().get_node_id()).options; "
                "ids = [n[\"NodeID\"] for n in ray.nodes() if n[\"Alive\"]]; "
                "got = ray.get([f(scheduling_strategy=N(i, False)).remote() for i in ids]); "
                "print(\"nodes\", len(set(got)), sorted(got) == sorted(ids))")
        run = self.submit("everywhere", python(code)).ends(0, "SUCCEEDED")
        self.assertIn("nodes 3 True\n", run.stdout())

    def test_status(self):
        text = self.manta("status").stdout
        self.assertIn("default is up", text)
        self.assertIn("shared", text)

    def test_zz_down_and_up_again(self):
        """Last by its name: it ends the instance that the others share."""
        before = self.get("raycluster", "shared")["metadata"]["uid"]
        old = {p["metadata"]["uid"] for p in self.get("pods")["items"]}
        self.manta("down")
        wait_for("no process left", lambda: not processes_of(self.dir), 5)
        self.assertNotEqual(self.manta("status", check=False).returncode, 0)
        self.manta("up", "--detach")
        self.assertEqual(self.get("raycluster", "shared")["metadata"]["uid"], before)
        self.submit("again", python("print(6 * 7)")).ends(0, "SUCCEEDED")
        self.assertTrue(old)
        self.manta("down", "--purge")
        self.assertNothingLeft()


class Kills(RayScenario):
    """kill -9 of manta's own processes in mid-job: true result, whole log, nothing left."""

    def survives(self, *parts):
        run = self.run_job("counted", python("import time\nfor i in range(%d): print(\"line\", i, flush=True); "
                                             "time.sleep(1)" % (6 + 4 * len(parts))))
        for number, part in enumerate(parts):
            run.wait_text("line %d\n" % (2 + 4 * number))
            kill(self.parts()[part])
        out = run.ends(0, "SUCCEEDED", 240).stdout()
        lines = [line for line in out.split("\n") if line.startswith("line ")]
        self.assertEqual(lines, ["line %d" % i for i in range(6 + 4 * len(parts))], run.text())
        self.assertNothingLeft()

    def test_each_in_turn(self):
        self.survives("operator worker", "apiserver", "kubelet", "operator", "host")


    def test_shim(self):
        """A pod's first process: the pod ends with it and is started again, and so is the job."""
        run = self.run_job("shimless", python("import time; print(\"here\", flush=True); time.sleep(15); print(\"end\")"))
        run.wait_text("here\n")
        kill(self.parts()["shim"])
        run.ends(0, "SUCCEEDED", seconds=180)
        self.assertEqual((run.stdout().count("here\n"), run.stdout().count("end\n")), (2, 1), run.text())
        self.assertNothingLeft()


if LONG:
    def alone(part):
        return lambda self: self.survives(part)

    for _part in ("host", "apiserver", "operator", "operator worker", "kubelet", "node"):
        setattr(Kills, "test_alone_" + _part.replace(" ", "_"), alone(_part))

if __name__ == "__main__":
    raykit.main()
