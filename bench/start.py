#!/usr/bin/env python3
"""From the start of the API server, and of `manta up`, to the first answered request; and the memory of an instance.

    bench/start.py [--manta build/manta] [--runs 5] [--ray 2.60.0]

Each run starts on a state whose CA exists already and asks /version as soon as a kubeconfig is there. Prints JSON: milliseconds
a run, and the proportional set size (KB) of manta's own processes, with nothing running and, given --ray, while a RayJob
of one head and one worker runs.
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


def own_processes(manta):
    """{kind: [pid]} of everything that runs this very binary: shims and inits of containers are forks of it."""
    found, binary = {}, os.stat(manta)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            exe = os.stat("/proc/%s/exe" % pid)
            comm = open("/proc/%s/comm" % pid).read().strip()
            words = open("/proc/%s/cmdline" % pid).read().split("\0")
        except OSError:
            continue
        if (exe.st_dev, exe.st_ino) == (binary.st_dev, binary.st_ino) and words[1:2] != ["run"]:
            kind = comm if comm.startswith("manta-") else words[1]
            found.setdefault(kind, []).append(int(pid))
    return found


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


def measured(manta):
    figures = {}
    for kind, pids in sorted(own_processes(manta).items()):
        figures["%s ×%d" % (kind, len(pids))] = sum(pss(pid) for pid in pids)
    return dict(figures, sum=sum(figures.values()))


def user_env(home):
    return dict(os.environ, HOME=home, XDG_STATE_HOME=home + "/state", KUBECONFIG=home + "/config",
                XDG_CACHE_HOME=os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")))


def up_first_answer(manta, home):
    """Milliseconds from `manta up` (an instance that was up before) to its first answer."""
    config, env = home + "/config", user_env(home)
    start = time.monotonic()
    process = subprocess.Popen([manta, "up"], env=env, stderr=subprocess.DEVNULL)
    context, took = ssl._create_unverified_context(), None
    while took is None:
        try:
            server = re.search(r"server: *\"?(https://[^\"\s]+)", open(config).read()).group(1)
            urllib.request.urlopen(server + "/version", context=context).read()
            took = (time.monotonic() - start) * 1000
        except (OSError, AttributeError):
            time.sleep(0.0005)
    process.terminate()
    process.wait()
    return took


def idle_memory(manta, home):
    env = user_env(home)
    subprocess.run([manta, "up", "--detach"], env=env, check=True, stderr=subprocess.DEVNULL)
    time.sleep(3)
    figures = measured(manta)
    subprocess.run([manta, "down", "--purge"], env=env, check=True, stdout=subprocess.DEVNULL)
    return figures


def busy_memory(manta, home, ray):
    """While a job runs. Its file is bench/run.py's, with a worker and an entrypoint that waits."""
    import run
    env = user_env(home)
    file = home + "/job.yaml"
    with open(file, "w") as f:
        f.write(run.JOB.replace("print('hello')", "print('here', flush=True); import time; time.sleep(15)")
                % ("HTTPMode", ray, ray) + run.WORKER % ray)
    process = subprocess.Popen([manta, "run", file], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if line == "here\n":
            break
    time.sleep(2)
    figures = measured(manta)
    process.communicate()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manta", default="build/manta")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ray", help="measure with a job on this Ray, too")
    args = parser.parse_args()
    manta = os.path.abspath(args.manta)
    home = tempfile.mkdtemp(dir="/var/tmp")
    times = []
    for _ in range(args.runs + 1):
        ms, process = first_answer(manta, home)
        times.append(round(ms, 1))
        process.terminate()
        process.wait()
    figures = {"first_start_ms": times[0], "first_answer_ms": sorted(times[1:])}
    ups = [round(up_first_answer(manta, home), 1) for _ in range(args.runs + 1)]
    figures.update(up_first_start_ms=ups[0], up_first_answer_ms=sorted(ups[1:]), idle_pss_kb=idle_memory(manta, home))
    if args.ray:
        figures["busy_pss_kb"] = busy_memory(manta, home, args.ray)
    shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(figures, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
