"""The Python `kubernetes` client against the API server: typed calls, patches, watches, a dynamic client. The client is installed
by name from PyPI into an environment of its own under the cache, once; where it cannot be had the tests are skipped and say why."""
import fcntl
import os
import shutil
import subprocess
import sys
import unittest

import common

CLIENT = "kubernetes==37.0.2"
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
ENVIRONMENT = os.path.join(CACHE, "manta", "test-%s-py%d.%d" % (CLIENT.replace("==", "-"), *sys.version_info[:2]))
HERE = os.path.dirname(os.path.abspath(__file__))


def installer(python):
    """uv is many times faster; the kubelet keeps one in the cache."""
    uv = shutil.which("uv") or os.path.join(CACHE, "manta", "uv", "bin", "uv")
    if os.access(uv, os.X_OK):
        return [uv, "pip", "install", "-q", "--python", python, CLIENT]
    return [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", CLIENT]


def has_client(python):
    return os.path.exists(python) and subprocess.run([python, "-c", "import kubernetes"]).returncode == 0


def python_with_client():
    """The environment's Python, and why there is none."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    os.makedirs(os.path.dirname(ENVIRONMENT), exist_ok=True)
    with open(ENVIRONMENT + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_client(python):
            return python, None
        for command in ([sys.executable, "-m", "venv", "--clear", ENVIRONMENT],
                        installer(python)):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            except subprocess.TimeoutExpired:
                return None, "%s takes too long" % " ".join(command)
            if done.returncode:
                return None, "%s: %s" % (" ".join(command), done.stderr.strip()[-300:])
        return (python, None) if has_client(python) else (None, "the installed client does not load")


class PythonClient(common.Scenario):
    def test_client(self):
        python, why = python_with_client()
        if not python:
            self.skipTest("the Python client cannot be had: " + why)
        self.apiserver()
        self.kubectl("create", "-f", "-", stdin=self.manta("crds").stdout)
        env = {k: v for k, v in self.env.items() if k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
        done = subprocess.run([python, os.path.join(HERE, "pyclient_calls.py")], env=env, capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("all calls answered", done.stdout)


if __name__ == "__main__":
    common.main()
