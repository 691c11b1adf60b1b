"""What the scenarios with real Ray share: manifests, `manta run` as a process, and a look at what is left behind."""
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import common
from common import MANTA, Scenario, wait_for

RAY = os.environ.get("MANTA_TEST_RAY", "2.60.0")
LONG = os.environ.get("LONG") == "1"
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")


def pod(name, cpu="1", memory="2Gi", image=None, request="100m"):
    return {"spec": {"containers": [{"name": name, "image": image or "rayproject/ray:" + RAY, "resources": {
        "limits": {"cpu": cpu, "memory": memory}, "requests": {"cpu": request, "memory": "256Mi"}}}]}}


def cluster_spec(workers=0, image=None, head_cpu="1"):
    spec = {"rayVersion": RAY, "headGroupSpec": {"rayStartParams": {}, "template": pod("ray-head", head_cpu,
                                                                                    image=image)}}
    if workers:
        spec["workerGroupSpecs"] = [{"groupName": "w", "replicas": workers, "minReplicas": workers,
                                     "maxReplicas": workers, "rayStartParams": {},
                                     "template": pod("ray-worker", image=image)}]
    return spec


def ray_cluster(name, ns="default", **how):
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": name, "namespace": ns},
            "spec": cluster_spec(**how)}


def ray_job(name, entrypoint, ns="default", selector=None, mode="HTTPMode", image=None, workers=0, **more):
    """With a cluster of its own, or in the one named by `selector`."""
    spec = {"entrypoint": entrypoint, "submissionMode": mode, **more}
    if selector:
        spec["clusterSelector"] = {"ray.io/cluster": selector}
    else:
        spec["rayClusterSpec"] = cluster_spec(workers, image)
        spec.setdefault("shutdownAfterJobFinishes", True)
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name, "namespace": ns}, "spec": spec}


def python(code):
    """An entrypoint that runs `code`, which has no apostrophe."""
    return "python -c '%s'" % code


def python_of_ray():
    """The Python that pods use."""
    return "%s/manta/envs/ray-%s/bin/python" % (CACHE, RAY)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Run:
    """`manta run` of a manifest; out and err are files, so that no pipe can fill."""

    def __init__(self, case, manifest, *args, command=(MANTA,), file=None):
        self.case = case
        name = file or manifest["metadata"]["name"]
        self.file = "%s/%s.yaml" % (case.dir, name)
        with open(self.file, "w") as f:
            json.dump(manifest, f)
        os.chmod(self.file, 0o644)
        self.out, self.err = ("%s/%s.%s" % (case.dir, name, kind) for kind in ("out", "err"))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([*command, "run", self.file, *args], env=case.env, stdout=out,
                                            stderr=err, stdin=subprocess.DEVNULL, start_new_session=True)
        case.addCleanup(case.end, self.process)

    def stdout(self):
        return read(self.out).decode(errors="replace")

    def stderr(self):
        return read(self.err).decode(errors="replace")

    def text(self):
        return "---- stdout\n%s---- stderr\n%s%s" % (self.stdout()[-3000:], self.stderr()[-3000:], self.case.logs())

    def wait_text(self, text, seconds=120):
        """Until the log or the timeline says `text`."""
        try:
            wait_for(text, lambda: text in self.stdout() or text in self.stderr() or
                     self.process.poll() is not None, seconds)
        except AssertionError:
            raise AssertionError("no %r within %ss\n%s" % (text, seconds, self.text())) from None
        if text not in self.stdout() and text not in self.stderr():
            self.case.fail("ended with %s before %r\n%s" % (self.process.returncode, text, self.text()))

    def ends(self, code, last=None, seconds=180):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.case.fail("manta run goes on after %ss\n%s" % (seconds, self.text()))
        self.case.assertEqual(self.process.returncode, code, self.text())
        if last:
            self.case.assertEqual(self.stdout().rstrip("\n").rsplit("\n", 1)[-1], last, self.text())
        return self


def processes_of(folder):
    """[(pid, command)] of processes that have to do with a folder: by command, environment or mounts."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        for part in ("cmdline", "environ", "mountinfo"):
            try:
                if folder.encode() in read("/proc/%s/%s" % (pid, part)):
                    found.append((int(pid), read("/proc/%s/cmdline" % pid).replace(b"\0", b" ").decode()))
                    break
            except OSError:
                break
    return found


class RayScenario(Scenario):
    """State under /var/tmp, since pods have a /tmp of their own; Ray's environment from the user's cache."""

    @classmethod
    def folder(cls):
        folder = tempfile.mkdtemp(prefix="manta-ray-", dir="/var/tmp")
        env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        return folder, dict(env, HOME=folder, XDG_STATE_HOME=folder + "/state", XDG_CACHE_HOME=CACHE,
                            KUBECONFIG=folder + "/kubeconfig", TERM="dumb")

    def setUp(self):
        self.dir, self.env = self.folder()
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self.manta, "down", "--purge", check=False)

    def run_job(self, *args, file=None, **kwargs):
        return Run(self, ray_job(*args, **kwargs), file=file)

    def state(self, name="default"):
        return "%s/state/manta/%s" % (self.dir, name)

    def logs(self):
        """The ends of the logs of all of manta's parts, for a failing test."""
        text = ""
        for root, _, files in os.walk(self.state() + "/logs"):
            for f in files:
                text += "---- %s\n%s\n" % (f, read(os.path.join(root, f)).decode(errors="replace")[-1500:])
        return text

    def parts(self, name_of_instance="default"):
        """{part: pid} of the running instance's processes; of shims any one."""
        pids = {c["name"]: c["pid"] for c in json.loads(read(self.state(name_of_instance) + "/children.json"))}
        for pid, command in processes_of(self.dir):
            words = command.split()
            if "host" in words[:2]:
                pids["host"] = pid
            if "operator" in words[:2] and pid != pids["operator"]:
                pids["operator worker"] = pid
            with contextlib.suppress(OSError):
                if read("/proc/%d/comm" % pid).strip() == b"manta-node":
                    pids["node"] = pid
        for path in glob.glob(self.state(name_of_instance) + "/kubelet/pods/*/shim.json"):
            pids["shim"] = json.loads(read(path))["pid"]
        return pids

    def assertNothingLeft(self):
        """No process, no mount, no namespace, no state, no context."""
        try:
            wait_for("no process left", lambda: not processes_of(self.dir), 5)
        except AssertionError:
            self.fail("left: %s" % processes_of(self.dir))
        self.assertNotIn(self.dir.encode(), read("/proc/self/mountinfo"))
        self.assertFalse(os.path.exists(self.state()), os.path.exists(self.state()) and os.listdir(self.state()))
        if os.path.exists(self.env["KUBECONFIG"]):
            self.assertNotIn("manta-default", read(self.env["KUBECONFIG"]).decode())


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def cluster_is_ready(case, name, ns="default", seconds=150):
    """Waits for status.state; gives the RayCluster."""
    def look():
        got = case.kubectl("get", "raycluster", name, "-n", ns, "-o", "json", check=False).stdout
        got = json.loads(got) if got else {}
        return got if got.get("status", {}).get("state") == "ready" else None
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            case.fail("RayCluster %s/%s is not ready\n%s\n%s" % (
                ns, name, case.kubectl("get", "pods,events", "-A", check=False).stdout, case.logs()))
        time.sleep(0.3)
    return look()


def need_ray(folder_case):
    """The reason why real Ray cannot be had here, or None. Installs it into the cache the first time."""
    if os.path.exists("%s/manta/envs/ray-%s/.manta-image" % (CACHE, RAY)):
        return None
    folder, env = folder_case.folder()
    file = folder + "/probe.yaml"
    with open(file, "w") as f:
        json.dump(ray_job("probe", "python -c 0"), f)
    try:
        done = subprocess.run([MANTA, "run", file], env=env, capture_output=True, text=True, timeout=900)
        return "Ray cannot be installed: " + done.stderr if "ErrImagePull" in done.stderr else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main = common.main
