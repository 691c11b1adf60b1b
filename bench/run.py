#!/usr/bin/env python3
"""`manta run` of a one-line job beside the same Ray started by hand, in pairs.

    bench/run.py [--manta build/manta] [--pairs 3] [--ray 2.60.0] [--mode HTTPMode]

By hand: `ray start --head`, `ray job submit` that waits, `ray stop`, with the environment that manta uses. Prints JSON: seconds
of each pair and of their differences.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

JOB = """apiVersion: ray.io/v1
kind: RayJob
metadata: {name: bench}
spec:
  submissionMode: %s
  entrypoint: python -c "import ray; ray.init(); print('hello')"
  rayClusterSpec:
    rayVersion: "%s"
    headGroupSpec:
      rayStartParams: {}
      template:
        spec:
          containers:
          - name: ray-head
            image: rayproject/ray:%s
            resources: {limits: {cpu: "2", memory: 3Gi}, requests: {cpu: "1", memory: 1Gi}}
"""
WORKER = """    workerGroupSpecs:
    - groupName: w
      replicas: 1
      minReplicas: 1
      maxReplicas: 1
      rayStartParams: {}
      template:
        spec:
          containers:
          - name: ray-worker
            image: rayproject/ray:%s
            resources: {limits: {cpu: "1", memory: 2Gi}, requests: {cpu: 100m, memory: 256Mi}}
"""


def timed(*command, env=None):
    start = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    return time.monotonic() - start


def by_hand(prefix):
    env = dict(os.environ, PATH=prefix + "/bin:" + os.environ["PATH"], RAY_USAGE_STATS_ENABLED="0")
    start = time.monotonic()
    timed("ray", "start", "--head", "--num-cpus=2", env=env)
    timed("ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--", "python", "-c",
          "import ray; ray.init(); print('hello')", env=env)
    seconds = time.monotonic() - start
    subprocess.run(["ray", "stop", "--force"], env=env, capture_output=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manta", default="build/manta")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--ray", default="2.60.0")
    parser.add_argument("--mode", default="HTTPMode")
    args = parser.parse_args()
    image = "rayproject/ray:" + args.ray
    prefix = subprocess.check_output([args.manta, "image", "pull", image], text=True).split()[-1]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(JOB % (args.mode, args.ray, args.ray))
        f.flush()
        pairs = []
        for _ in range(args.pairs):
            ours = timed(args.manta, "run", f.name)
            hand = by_hand(prefix)
            pairs.append((round(ours, 2), round(hand, 2), round(ours - hand, 2)))
    print(json.dumps({"mode": args.mode, "ray": args.ray, "pairs_manta_byhand_difference_s": pairs}))


if __name__ == "__main__":
    main()
