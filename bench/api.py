#!/usr/bin/env python3
"""The API server under load, beside others: creates and gets of 2 KB objects over TLS, and watches. Prints JSON.

    ninja -C build bench/api_load
    bench/api.py [--manta build/manta] [--load build/bench/api_load] [--connections 64] [--seconds 5] [--rounds 2]
                 [--watches 1000] [--beside NAME KUBECONFIG PID[,PID...]]...

It starts `manta apiserver` on a state of its own (durable, as always) and plays the same load to it and to each server named
by --beside, in turn, round by round, so that ratios are of one run. A server's CPU is that of its processes PID (etcd's
with a kube-apiserver). What the load itself costs is not counted, but it takes CPU from the server: --seconds of wall time give fewer
requests on a small machine, requests per CPU second do not depend on it.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build")


def start(manta, folder):
    config = os.path.join(folder, "kubeconfig")
    process = subprocess.Popen([manta, "apiserver", "--listen", "127.0.0.1:0", "--state", folder + "/state",
                                "--write-kubeconfig", config], stderr=open(folder + "/log", "w"))
    while not os.path.exists(config):
        if process.poll() is not None:
            sys.exit(open(folder + "/log").read())
        time.sleep(0.01)
    return process, ("manta", config, [str(process.pid)])


def namespace(config, name):
    subprocess.run(["kubectl", "--kubeconfig", config, "create", "namespace", name], check=True,
                   stdout=subprocess.DEVNULL)
    return name


def play(load, server, verb, count, amount, http):
    name, config, pids = server
    ns = namespace(config, "bench-%s-%d-%d" % (verb, http, time.time_ns() // 1000000 % 10 ** 9))
    done = subprocess.run([load, config, verb, str(count), str(amount), str(http), ns, *pids],
                          stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout) if done.stdout else {"error": done.returncode}
    subprocess.run(["kubectl", "--kubeconfig", config, "delete", "namespace", ns, "--wait=false"],
                   stdout=subprocess.DEVNULL)
    return {"server": name, **result}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--manta", default=os.path.join(BUILD, "manta"))
    p.add_argument("--load", default=os.path.join(BUILD, "bench/api_load"))
    p.add_argument("--connections", type=int, default=64)
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--watches", type=int, default=1000)
    p.add_argument("--events", type=int, default=20)
    p.add_argument("--http", type=int, choices=(1, 2), action="append", help="versions of HTTP (both)")
    p.add_argument("--verb", choices=("create", "get", "watch"), action="append", help="(all)")
    p.add_argument("--beside", nargs=3, action="append", default=[], metavar=("NAME", "KUBECONFIG", "PIDS"))
    args = p.parse_args()
    folder = tempfile.mkdtemp(prefix="manta-bench-")
    process, own = start(args.manta, folder)
    servers = [own] + [(n, c, pids.split(",")) for n, c, pids in args.beside]
    try:
        for _ in range(args.rounds):
            for verb in args.verb or ("watch", "create", "get"):  # memory a watch shows on a fresh server
                for http in args.http or (1, 2):
                    for server in servers:
                        size = (args.watches, args.events) if verb == "watch" else (args.connections, args.seconds)
                        print(json.dumps(play(args.load, server, verb, *size, http)), flush=True)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
