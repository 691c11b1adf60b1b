"""What pyclient.py runs in the environment that has the `kubernetes` client: a program as a user would write it."""
import threading
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core, apps, batch, custom = client.CoreV1Api(), client.AppsV1Api(), client.BatchV1Api(), client.CustomObjectsApi()
NS = "py"


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as e:
        assert e.status == status, (e.status, e.body)
        return e
    raise AssertionError("not refused: %s" % call)


def until(what, check, seconds=60):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def plain(answer):
    """As it came: names of attributes differ between versions of the client."""
    return client.ApiClient().sanitize_for_serialization(answer)


def meta(name, **more):
    return client.V1ObjectMeta(name=name, **more)


def config_maps():
    made = core.create_namespaced_config_map(NS, client.V1ConfigMap(metadata=meta("a", labels={"l": "1"}), data={"k": "v"}))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo
    got = core.read_namespaced_config_map("a", NS)
    assert got.data == {"k": "v"} and got.metadata.resource_version == made.metadata.resource_version
    got.data["k2"] = "v2"
    new = core.replace_namespaced_config_map("a", NS, got)
    assert new.data == {"k": "v", "k2": "v2"}
    refused(409, core.replace_namespaced_config_map, "a", NS, got)  # the old resourceVersion
    assert core.patch_namespaced_config_map("a", NS, {"data": {"k": None}}).data == {"k2": "v2"}
    refused(409, core.create_namespaced_config_map, NS, client.V1ConfigMap(metadata=meta("a")))
    refused(422, core.create_namespaced_config_map, NS, client.V1ConfigMap(metadata=meta("Bad_Name")))
    dry = core.create_namespaced_config_map(NS, client.V1ConfigMap(metadata=meta("dry")), dry_run="All")
    assert dry.metadata.name == "dry"
    refused(404, core.read_namespaced_config_map, "dry", NS)
    assert [m.metadata.name for m in core.list_namespaced_config_map(NS, label_selector="l=1").items] == ["a"]
    for n in range(5):
        core.create_namespaced_config_map(NS, client.V1ConfigMap(metadata=meta("p%d" % n, labels={"page": ""})))
    page = core.list_namespaced_config_map(NS, label_selector="page", limit=2)
    names = [m.metadata.name for m in page.items]
    while plain(page)["metadata"].get("continue"):
        page = core.list_namespaced_config_map(NS, label_selector="page", limit=2, _continue=plain(page)["metadata"]["continue"])
        names += [m.metadata.name for m in page.items]
    assert names == ["p0", "p1", "p2", "p3", "p4"], names
    core.delete_collection_namespaced_config_map(NS, label_selector="page")
    assert not core.list_namespaced_config_map(NS, label_selector="page").items
    gone = core.delete_namespaced_config_map("a", NS)  # a V1Status, with some versions of the client a dict
    assert plain(gone)["status"] == "Success", gone
    refused(404, core.read_namespaced_config_map, "a", NS)


def workloads():
    container = client.V1Container(name="c", image="example.com/a:1", env=[client.V1EnvVar(name="A", value="1")],
                                   resources=client.V1ResourceRequirements(limits={"cpu": "1500m", "memory": "1Gi"}))
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"a": "b"}),
                                        spec=client.V1PodSpec(containers=[container]))
    spec = client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels={"a": "b"}), template=template)
    made = apps.create_namespaced_deployment(NS, client.V1Deployment(metadata=meta("d"), spec=spec))
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    assert apps.patch_namespaced_deployment_scale("d", NS, {"spec": {"replicas": 3}}).spec.replicas == 3
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "example.com/a:2"}]}}}}
    new = apps.patch_namespaced_deployment("d", NS, image)  # a strategic merge patch: the rest of the container stays
    assert new.spec.template.spec.containers[0].image.endswith(":2") and new.spec.template.spec.containers[0].env
    template.spec.restart_policy = "Never"
    job = client.V1Job(metadata=meta("j"), spec=client.V1JobSpec(template=template, suspend=True))
    assert batch.create_namespaced_job(NS, job).spec.completions == 1
    until("account", lambda: any(a.metadata.name == "default" for a in core.list_namespaced_service_account(NS).items))
    pod = core.create_namespaced_pod(NS, client.V1Pod(metadata=meta("p"), spec=template.spec))
    assert pod.status.phase == "Pending" and pod.spec.containers[0].resources.limits["cpu"] == "1500m"
    status = core.patch_namespaced_pod_status("p", NS, {"status": {"phase": "Running", "podIP": "10.1.2.3"}})
    assert plain(status)["status"]["podIPs"] == [{"ip": "10.1.2.3"}]
    port = client.V1ServicePort(port=80, target_port="web")
    service = core.create_namespaced_service(NS, client.V1Service(metadata=meta("s"), spec=client.V1ServiceSpec(
        selector={"a": "b"}, ports=[port])))
    assert service.spec.cluster_ip.startswith("10.") and service.spec.ports[0].target_port == "web"
    assert core.delete_namespaced_pod("p", NS, grace_period_seconds=0).metadata.name == "p"


def watches():
    """From a version, with an end by timeout; and stopped from within."""
    since = core.list_namespaced_secret(NS).metadata.resource_version

    def write():
        core.create_namespaced_secret(NS, client.V1Secret(metadata=meta("w"), string_data={"k": "v"}))
        core.patch_namespaced_secret("w", NS, {"metadata": {"labels": {"x": "y"}}})
        core.delete_namespaced_secret("w", NS)
    writer = threading.Thread(target=write)
    writer.start()
    seen, w = [], watch.Watch()
    for event in w.stream(core.list_namespaced_secret, NS, resource_version=since, timeout_seconds=60):
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            w.stop()
    writer.join()
    assert seen == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")], seen
    assert list(watch.Watch().stream(core.list_namespaced_secret, NS, label_selector="no=such", timeout_seconds=1)) == []


def custom_objects():
    path = ("ray.io", "v1", NS, "rayclusters")
    head = {"rayStartParams": {}, "template": {"spec": {"containers": [{"name": "h", "image": "i"}]}}}
    body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "r"},
            "spec": {"headGroupSpec": head, "workerGroupSpecs": [{"groupName": "g", "rayStartParams": {}, "template":
                                                                 head["template"]}]}}
    made = custom.create_namespaced_custom_object(*path, body)
    assert made["spec"]["workerGroupSpecs"][0]["numOfHosts"] == 1  # a default of the schema
    assert custom.patch_namespaced_custom_object(*path, "r", {"spec": {"suspend": True}})["metadata"]["generation"] == 2
    state = {"status": {"state": "suspended"}}
    assert custom.patch_namespaced_custom_object_status(*path, "r", state)["status"]["state"] == "suspended"
    wrong = {"spec": {"suspend": "x"}}
    assert b"spec.suspend" in refused(422, custom.patch_namespaced_custom_object, *path, "r", wrong).body.encode()
    assert len(custom.list_namespaced_custom_object(*path)["items"]) == 1
    kinds = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="ray.io/v1", kind="RayCluster")
    assert kinds.get(name="r", namespace=NS).spec.suspend is True
    custom.delete_namespaced_custom_object(*path, "r")
    refused(404, custom.get_namespaced_custom_object, *path, "r")


def who_and_what():
    assert client.VersionApi().get_code().major == "1"
    assert "ray.io" in [g.name for g in client.ApisApi().get_api_versions().groups]
    account = core.create_namespaced_service_account(NS, client.V1ServiceAccount(metadata=meta("robot")))
    token = core.create_namespaced_service_account_token(account.metadata.name, NS, client.AuthenticationV1TokenRequest(
        spec=client.V1TokenRequestSpec(audiences=[]))).status.token
    of_token = client.Configuration.get_default_copy()
    of_token.cert_file = of_token.key_file = None
    of_token.api_key = {"authorization": "Bearer " + token}
    me = client.AuthenticationV1Api(client.ApiClient(of_token)).create_self_subject_review(client.V1SelfSubjectReview())
    assert me.status.user_info.username == "system:serviceaccount:py:robot"


core.create_namespace(client.V1Namespace(metadata=meta(NS)))
for part in (config_maps, workloads, watches, custom_objects, who_and_what):
    part()
core.delete_namespace(NS)
until("the namespace goes", lambda: NS not in [n.metadata.name for n in core.list_namespace().items])
print("all calls answered")
