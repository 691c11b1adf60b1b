"""What scenarios share: a folder of their own, manta's processes, kubectl, and waiting for a condition."""
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

MANTA = os.environ.get("MANTA", "build/manta")
SOURCE = os.environ.get("MANTA_SOURCE", ".")


def kubectl_path():
    """A kubectl that is new enough: on PATH, or the one that ./deps unpacked."""
    private = os.path.join(SOURCE, ".deps/root/usr/bin/kubectl")
    return private if os.path.exists(private) else shutil.which("kubectl")


def wait_for(what, check, seconds=30):
    """Calls check until it gives something true, and gives that; fails with `what` when time is up."""
    end = time.monotonic() + seconds
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("not within %ss: %s" % (seconds, what))
        time.sleep(0.02)


class Scenario(unittest.TestCase):
    """A test case with a temporary folder; processes started by start() are ended with it."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="manta-scenario-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, HOME=self.dir, XDG_STATE_HOME=self.dir + "/state",
                        KUBECONFIG=self.dir + "/kubeconfig")
        for name in ("XDG_CACHE_HOME",):
            self.env.setdefault(name, os.path.expanduser("~/.cache"))

    def start(self, *args, **kwargs):
        """Starts manta with args; its output goes to a file that a failing test prints."""
        log = open(os.path.join(self.dir, args[0] + ".log"), "ab")
        process = subprocess.Popen([MANTA, *args], stdout=log, stderr=log, env=self.env, **kwargs)
        process.log = log.name
        self.addCleanup(self.end, process)
        return process

    def end(self, process, signal_number=signal.SIGTERM, seconds=20):
        if process.poll() is None:
            process.send_signal(signal_number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def manta(self, *args, check=True, timeout=300, **kwargs):
        done = subprocess.run([MANTA, *args], env=self.env, capture_output=True, text=True, timeout=timeout,
                              **kwargs)
        if check and done.returncode:
            self.fail("manta %s: exit %d\n%s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        return done

    def apiserver(self, *args):
        """An API server; gives its process once it is ready, and points KUBECONFIG at it."""
        file = self.env["KUBECONFIG"]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)
        process = self.start("apiserver", "--listen", "127.0.0.1:0", "--state", self.dir + "/api",
                             "--write-kubeconfig", file, *args)
        wait_for("kubeconfig of the API server", lambda: os.path.exists(file) or process.poll() is not None)
        self.assertIsNone(process.poll(), open(process.log).read())
        return process

    def kubectl(self, *args, stdin=None, check=True, timeout=60):
        done = subprocess.run([kubectl_path(), *args], env=self.env, input=stdin, capture_output=True, text=True,
                              timeout=timeout)
        if check and done.returncode:
            self.fail("kubectl %s: exit %d\n%s%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        return done

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json").stdout)


def side_by_side(at_once):
    """Class decorator: the class's tests start together, so many at a time, for they mostly wait; each in an
    instance of its own. They are told apart in the report as usual."""
    def wrap(cls):
        names = [n for n in dir(cls) if n.startswith("test_")]
        bodies, futures = {n: getattr(cls, n) for n in names}, {}

        def play(name):
            case = cls(name)
            try:
                bodies[name](case)
            finally:
                case.doCleanups()

        def outcome(name):
            if not futures:
                pool = concurrent.futures.ThreadPoolExecutor(at_once)
                futures.update({n: pool.submit(play, n) for n in names})
            futures[name].result()
        for each in names:
            setattr(cls, each, lambda self, name=each: outcome(name))
        return cls
    return wrap


def main():
    """unittest.main with the closing line that ./check counts."""
    program = unittest.main(exit=False, verbosity=2, argv=[sys.argv[0], *sys.argv[1:]])
    result = program.result
    bad = len({getattr(case, "test_case", case) for case, _ in result.failures + result.errors})
    for case, reason in result.skipped:
        print("SKIP %s: %s" % (case, reason))
    print("%d passed, %d failed" % (result.testsRun - bad - len(result.skipped), bad))
    sys.exit(bool(bad))
