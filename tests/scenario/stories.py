"""What users do with clusters and jobs: stories that tests play with operators that are disturbed. Each is a
function of a cluster.Namespace and leaves the same objects behind however often the operator died."""
import cluster
from cluster import Dashboard, ray_cluster, ray_job


def basic(ns):
    ns.create(ray_cluster("basic", 2))
    ns.ready("basic", 3)


def scale_to(ns, name, workers, **more):
    group = cluster.cluster_spec(workers)["workerGroupSpecs"][0]
    ns.patch("RayCluster", name, {"spec": {"workerGroupSpecs": [{**group, **more}]}})


def scale(ns):
    ns.create(ray_cluster("scale", 1))
    ns.ready("scale", 2)
    scale_to(ns, "scale", 3)
    ns.ready("scale", 4)
    last = ns.pods(node_type="worker", worker_group_replica_index="1")[0]["metadata"]["name"]
    scale_to(ns, "scale", 2, scaleStrategy={"workersToDelete": [last]})
    ns.ready("scale", 3)


def worker_deleted(ns):
    ns.create(ray_cluster("lostworker", 2))
    ns.ready("lostworker", 3)
    gone = ns.pods(node_type="worker")[0]["metadata"]["name"]
    ns.delete("Pod", gone)
    ns.until("the worker is gone", lambda: not ns.get("Pod", gone))
    ns.ready("lostworker", 3)


def suspend(ns):
    ns.create(ray_cluster("sleeper", 1))
    ns.ready("sleeper", 2)
    ns.patch("RayCluster", "sleeper", {"spec": {"suspend": True}})
    ns.until("suspended", lambda: ns.status("RayCluster", "sleeper", "state") == "suspended" and not ns.pods())
    ns.patch("RayCluster", "sleeper", {"spec": {"suspend": False}})
    ns.ready("sleeper", 2)


def head_deleted(ns):
    ns.create(ray_cluster("headless", 1))
    ns.ready("headless", 2)
    gone = ns.pods(node_type="head")[0]["metadata"]["name"]
    ns.delete("Pod", gone)
    ns.until("the head is gone", lambda: not ns.get("Pod", gone))
    ns.ready("headless", 2)


def recreate(ns):
    ns.create(ray_cluster("renewed", 1, upgradeStrategy={"type": "Recreate"}))
    ns.ready("renewed", 2)
    old = {p["metadata"]["uid"] for p in ns.pods()}
    ns.patch("RayCluster", "renewed", {"spec": {"headGroupSpec": {"template": cluster.pod_template(
        env=[{"name": "SECOND", "value": "1"}])}}})
    ns.until("other pods", lambda: not old & {p["metadata"]["uid"] for p in ns.pods()})
    ns.ready("renewed", 2)


def redis(ns):
    ns.cluster.jobs_complete.add(ns.name)
    ns.create(ray_cluster("kept", 1, annotations={"ray.io/ft-enabled": "true"}, headGroupSpec={
        "rayStartParams": {}, "template": cluster.pod_template(
            env=[{"name": "RAY_REDIS_ADDRESS", "value": "redis:6379"}])}))
    ns.ready("kept", 2)
    ns.delete("RayCluster", "kept")
    ns.until("the cluster is gone", lambda: not ns.get("RayCluster", "kept"))
    ns.until("its pods are gone", lambda: not ns.pods())


def job_status(ns, name, status):
    ns.until("the job is " + status, lambda: ns.status("RayJob", name, "jobDeploymentStatus") == status)


def job_kubernetes(ns):
    ns.dashboard.known = True
    ns.create(ray_job("submitted"))
    job_status(ns, "submitted", "Running")
    ns.dashboard.status = "SUCCEEDED"
    ns.cluster.end_job(ns.name, "submitted")
    job_status(ns, "submitted", "Complete")


def job_http(ns):
    ns.create(ray_job("posted", submissionMode="HTTPMode"))
    job_status(ns, "posted", "Running")
    ns.until("running", lambda: ns.status("RayJob", "posted", "jobStatus") == "RUNNING")
    ns.dashboard.status = "SUCCEEDED"
    job_status(ns, "posted", "Complete")


def job_ttl(ns):
    ns.create(ray_job("shortlived", submissionMode="HTTPMode", shutdownAfterJobFinishes=True, ttlSecondsAfterFinished=1))
    job_status(ns, "shortlived", "Running")
    ns.dashboard.status = "SUCCEEDED"
    job_status(ns, "shortlived", "Complete")
    ns.until("its cluster is gone", lambda: not ns.held("RayCluster") and not ns.pods())


ALL = (basic, scale, worker_deleted, suspend, head_deleted, recreate, redis, job_kubernetes, job_http, job_ttl)
DASHBOARDS = {"job_kubernetes": Dashboard, "job_http": Dashboard, "job_ttl": Dashboard}


def dashboard_of(story):
    return DASHBOARDS[story.__name__]() if story.__name__ in DASHBOARDS else None
