#!/usr/bin/env python3
"""From `manta up` to its first answered request, and the memory of an idle instance.

    bench/start.py [--manta build/manta] [--runs 5]

Each run starts an instance whose CA exists already and asks /version as soon as its kubeconfig is there. Prints JSON:
milliseconds a run, and proportional set size (KB) a process with nothing running.
"""
import argparse
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Pss: *(\d+)", f.read(), re.M).group(1))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        found = [int(p) for p in f.read().split()]
    return found + [q for p in found for q in children(p)]


def first_answer(manta, state):
    """Starts an API server on state; gives milliseconds to its first answer, and the process."""
    config = state + "/kubeconfig"
    if os.path.exists(config):
        os.unlink(config)
    start = time.monotonic()
    process = subprocess.Popen([manta, "apiserver", "--state", state + "/api", "--write-kubeconfig", config],
                               stderr=subprocess.DEVNULL)
    while not os.path.exists(config):
        time.sleep(0.0005)
    server = re.search(r"server: *\"?(https://[^\"\s]+)", open(config).read()).group(1)
    context = ssl._create_unverified_context()
    urllib.request.urlopen(server + "/version", context=context).read()
    return (time.monotonic() - start) * 1000, process


def idle_memory(manta, home):
    env = dict(os.environ, HOME=home, XDG_STATE_HOME=home + "/state", KUBECONFIG=home + "/config")
    subprocess.run([manta, "up", "--detach"], env=env, check=True, stderr=subprocess.DEVNULL)
    time.sleep(3)
    host = int(subprocess.check_output(["pgrep", "-f", "^manta host --name default"]).split()[-1])
    figures = {}
    for pid in [host] + children(host):
        words = open("/proc/%d/cmdline" % pid).read().split("\0")
        name = " ".join(words[:2])
        figures[name] = figures.get(name, 0) + pss(pid)
    subprocess.run([manta, "down", "--purge"], env=env, check=True, stdout=subprocess.DEVNULL)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manta", default="build/manta")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    manta = os.path.abspath(args.manta)
    home = tempfile.mkdtemp(dir="/var/tmp")
    times = []
    for _ in range(args.runs + 1):
        ms, process = first_answer(manta, home)
        times.append(round(ms, 1))
        process.terminate()
        process.wait()
    memory = idle_memory(manta, home)
    shutil.rmtree(home, ignore_errors=True)
    print(json.dumps({"first_start_ms": times[0], "first_answer_ms": sorted(times[1:]),
                      "idle_pss_kb": memory, "idle_pss_kb_sum": sum(memory.values())}, indent=1))


if __name__ == "__main__":
    main()
