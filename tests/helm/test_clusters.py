"""Clusters differ: registries, storage, GPUs, users, addresses and what operators add."""

import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from barkserve.constants import STAGES
from tests.helm.chart import CHART, SERVICES, Manifest, Release, ci, complaints

HUB = {"source": "hub", "hub": {"name": "suno/bark"}}


@pytest.fixture(scope="module")
def mirror() -> Release:
    return Release(ci("mirror"))


def _fetch(release: Release, service: str) -> Manifest:
    (container,) = (
        each for each in release.pod(service)["initContainers"] if each["name"] == "fetch"
    )
    return dict(container)


def test_fetch_gets_proxy_mirror_and_authority(mirror: Release) -> None:
    fetch = _fetch(mirror, "coarse")
    environment = {each["name"]: each for each in fetch["env"]}
    assert environment["HTTPS_PROXY"]["value"] == "http://proxy.example.org:3128"
    assert environment["HF_ENDPOINT"]["value"] == "https://hub.example.org"
    assert environment["HF_TOKEN"]["valueFrom"]["secretKeyRef"]["key"] == "password"
    assert {"name": "company", "mountPath": "/company", "readOnly": True} in fetch["volumeMounts"]
    assert fetch["resources"]["limits"]["memory"] == "4Gi"
    assert mirror.container("coarse")["resources"]["limits"]["memory"] == "2Gi"


def test_fetch_has_the_environment_of_its_service() -> None:
    variable = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
    secret = {"secretRef": {"name": "proxy"}}
    own = {"configMapRef": {"name": "hub"}}
    values = {"weights": HUB | {"fetch": {"envFrom": [own]}}}
    release = Release(values | {"stages": {"env": [variable], "envFrom": [secret]}})
    assert variable in _fetch(release, "fine")["env"]
    assert _fetch(release, "fine")["envFrom"] == [secret, own]
    assert release.container("fine")["env"] == [variable]
    assert release.container("fine")["envFrom"] == [secret]


def test_each_checkpoint_and_revision_has_a_folder() -> None:
    folders = set()
    for hub in ({"name": "suno/bark"}, {"name": "suno/bark", "revision": "abc"}, {"name": "x/y"}):
        release = Release({"weights": {"source": "hub", "hub": hub}})
        (to,) = (each for each in _fetch(release, "coarse")["args"] if each.startswith("--to="))
        assert f"--checkpoint={to.removeprefix('--to=')}" in release.container("coarse")["args"]
        folders.add(to)
    assert folders == {
        "--to=/weights/suno--bark@main/coarse",
        "--to=/weights/suno--bark@abc/coarse",
        "--to=/weights/x--y@main/coarse",
    }


def test_revision_is_fetched() -> None:
    release = Release(ci("mps"))
    assert (
        "--checkpoint=suno/bark-small@1dbd7a1bb9d6b0a2c4d7a4ef8e1a3f2b5c6d7e8f"
        in (_fetch(release, "coarse")["args"])
    )


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        ({}, {"persistentVolumeClaim": {"claimName": "bark-weights"}}),
        ({"type": "emptyDir"}, {"emptyDir": {}}),
    ],
)
def test_cache_of_the_stages_is_of_the_chosen_type(cache: Manifest, volume: Manifest) -> None:
    release = Release({"weights": HUB | {"hub": {"name": "a/b", "cache": cache}}})
    assert release.volume("coarse", "weights") == volume
    assert bool(release.all("PersistentVolumeClaim")) is not bool(cache)
    # The orchestrator needs a few files, and may be on another node than the claim.
    assert release.volume("orchestrator", "weights") == {"emptyDir": {}}


def test_ephemeral_cache_is_a_claim_of_each_pod() -> None:
    release = Release(ci("mps"))
    claim = release.volume("coarse", "weights")["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["storageClassName"] == "fast"
    assert release.all("PersistentVolumeClaim") == {}


def test_claim_has_annotations_selector_and_no_class() -> None:
    cache = {"storageClassName": "-", "selector": {"matchLabels": {"a": "b"}}}
    hub = {"name": "a/b", "cache": cache | {"annotations": {"mine": "too"}}}
    claim = Release({"weights": {"source": "hub", "hub": hub}}).one(
        "PersistentVolumeClaim", "bark-weights"
    )
    assert claim["spec"]["storageClassName"] == ""
    assert claim["spec"]["selector"] == {"matchLabels": {"a": "b"}}
    assert claim["metadata"]["annotations"] == {
        "mine": "too",
        "helm.sh/resource-policy": "keep",
    }


def test_claim_of_one_node_is_refused_for_several_pods() -> None:
    once = {"source": "hub", "hub": {"name": "a/b", "cache": {"accessMode": "ReadWriteOnce"}}}
    complaint = complaints({"weights": once, "services": {"coarse": {"replicas": 3}}})
    assert "services.coarse has up to 3 pods" in complaint
    pod = {"source": "hub", "hub": {"name": "a/b", "cache": {"accessMode": "ReadWriteOncePod"}}}
    assert "accessMode is ReadWriteOncePod" in complaints({"weights": pod})


def test_mounted_checkpoint_is_read_without_a_copy() -> None:
    release = Release(ci("dra"))
    for service in ("orchestrator", *STAGES):
        assert "initContainers" not in release.pod(service)
        assert "--checkpoint=/source/suno/bark" in release.container(service)["args"]
        assert release.volume(service, "source")["csi"]["readOnly"] is True
        mounts = {each["name"]: each for each in release.container(service)["volumeMounts"]}
        assert mounts["source"]["readOnly"] is True
        assert "weights" not in mounts


def test_copies_and_temporary_files_are_limited(mirror: Release) -> None:
    assert mirror.volume("coarse", "weights") == {"emptyDir": {"sizeLimit": "8Gi"}}
    assert mirror.volume("gateway", "tmp") == {"emptyDir": {"sizeLimit": "1Gi"}}
    requests = mirror.container("coarse")["resources"]["requests"]
    assert requests["ephemeral-storage"] == "64Mi"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"registry": "a.example.org"}, "a.example.org/barkserve:0.1.0-cpu"),
        ({"digest": "sha256:" + "a" * 64}, "barkserve@sha256:" + "a" * 64),
        ({"variants": {"cpu": {"repository": "cpu", "tag": "7"}}}, "cpu:7"),
        ({"variants": {"cuda": {"tag": "7"}}}, "barkserve:0.1.0-cpu"),
        (
            {"digest": "sha256:" + "a" * 64, "variants": {"cpu": {"tag": "7"}}},
            "barkserve:7",
        ),
    ],
)
def test_image_is_that_of_the_variant(image: Manifest, expected: str) -> None:
    assert Release({"image": image}).container("coarse")["image"] == expected


def test_images_come_from_the_global_registry(mirror: Release) -> None:
    assert mirror.container("fine")["image"] == "registry.example.org/barkserve:0.1.0-cpu"
    assert mirror.container("codec")["image"] == "registry.example.org/barkserve:0.1.0-cpu-debug"
    assert _fetch(mirror, "codec")["imagePullPolicy"] == "Always"
    assert mirror.pod("codec")["imagePullSecrets"] == [{"name": "registry"}]
    assert mirror.container("fine")["imagePullPolicy"] == "IfNotPresent"


def test_null_removes_what_another_level_sets(mirror: Release) -> None:
    assert mirror.pod("coarse")["nodeSelector"] == {"kubernetes.io/os": "linux"}
    release = Release(
        {
            "stages": {
                "nodeSelector": {"pool": "gpu"},
            },
            "services": {
                "codec": {"nodeSelector": {"pool": None}, "options": {"threads": None}},
                "fine": {"resources": {"limits": {"memory": None}}},
            },
        }
    )
    assert release.pod("coarse")["nodeSelector"]["pool"] == "gpu"
    assert "pool" not in release.pod("codec")["nodeSelector"]
    assert "memory" not in release.container("fine")["resources"].get("limits", {})
    assert "memory" in release.container("gateway")["resources"]["limits"]
    assert not any("--threads" in word for word in release.container("codec")["args"])


def test_openshift_chooses_the_users() -> None:
    release = Release(ci("openshift"))
    for service in SERVICES[:-1]:
        security = release.pod(service)["securityContext"]
        assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    service = release.one("Service", "bark")
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["metadata"]["labels"]["team"] == "speech"


def test_pods_take_what_operators_add() -> None:
    added: dict[str, Any] = {
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub"]}],
        "hostUsers": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"]},
        "schedulerName": "volcano",
        "priorityClassName": "speech",
        "topologySpreadConstraints": [
            {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
    }
    containers: dict[str, Any] = {
        "extraContainers": [{"name": "sidecar", "image": "sidecar:1"}],
        "extraInitContainers": [{"name": "before", "image": "before:1"}],
        "securityContext": {"readOnlyRootFilesystem": False},
        "lifecycle": {"postStart": {"exec": {"command": ["true"]}}},
        "probes": {"liveness": {"periodSeconds": 30}},
    }
    release = Release({"services": {"fine": added | containers}})
    pod = release.pod("fine")
    (constraint,) = pod.pop("topologySpreadConstraints")
    assert constraint["topologyKey"] == "rack"
    selected = constraint["labelSelector"]["matchLabels"]
    assert selected["app.kubernetes.io/component"] == "fine"
    del added["topologySpreadConstraints"]
    assert {key: pod[key] for key in added} == added
    assert [each["name"] for each in pod["containers"]] == ["fine", "sidecar"]
    assert [each["name"] for each in pod["initContainers"]] == ["before"]
    container = pod["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["lifecycle"]) == {"preStop", "postStart"}
    assert container["livenessProbe"]["periodSeconds"] == 30
    assert container["livenessProbe"]["failureThreshold"] == 6
    assert not set(added) & set(release.pod("coarse"))


def test_deployments_take_labels_and_annotations() -> None:
    """Those of a pod are podLabels and podAnnotations."""
    added = {"deploymentLabels": {"team": "speech"}, "deploymentAnnotations": {"reload": "yes"}}
    pod = {"podLabels": {"mesh": "on"}, "podAnnotations": {"scrape": "no"}}
    deployment = Release({"stages": added | pod}).one("Deployment", "bark-coarse")
    template = deployment["spec"]["template"]["metadata"]
    assert deployment["metadata"]["labels"]["team"] == "speech"
    assert deployment["metadata"]["annotations"]["reload"] == "yes"
    assert "team" not in template["labels"]
    assert "reload" not in template["annotations"]
    assert template["labels"]["mesh"] == "on"
    assert template["annotations"]["scrape"] == "no"


def test_accounts_may_exist_already() -> None:
    account = {"create": False, "name": "mine"}
    release = Release(
        {
            "services": {"orchestrator": {"serviceAccount": account}},
            "defaults": {"serviceAccount": {"annotations": {"role": "speech"}}},
        }
    )
    assert release.pod("orchestrator")["serviceAccountName"] == "mine"
    assert "bark-orchestrator" not in release.all("ServiceAccount")
    annotations = release.one("ServiceAccount", "bark-coarse")["metadata"]["annotations"]
    assert annotations == {"role": "speech"}
    (subject,) = release.one("RoleBinding", "bark-discovery")["subjects"]
    assert subject["name"] == "mine"
    assert Release({"rbac": {"create": False}}).all("Role") == {}


def test_labels_of_the_values_break_no_selector() -> None:
    name = "app.kubernetes.io/name"
    release = Release({"labels": {name: "other", "team": "speech"}})
    for deployment in release.all("Deployment").values():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels.items() >= deployment["spec"]["selector"]["matchLabels"].items()
        assert deployment["metadata"]["labels"][name] == "barkserve"
        assert labels["team"] == "speech"


def test_every_object_has_the_common_annotations(mirror: Release) -> None:
    for manifest in mirror.manifests:
        assert manifest["metadata"]["annotations"]["example.org/owner"] == "speech"


def test_extra_objects_are_templates() -> None:
    release = Release(ci("gke"))
    assert release.one("ConfigMap", "bark-notes")["metadata"]["namespace"] == "speech"


def test_google_gateways_keep_streams_open() -> None:
    release = Release(ci("gke"))
    policy = release.one("GCPBackendPolicy", "bark")["spec"]
    assert policy["default"]["timeoutSec"] == 3600
    assert policy["targetRef"]["name"] == "bark"
    (rule,) = release.one("GRPCRoute", "bark")["spec"]["rules"]
    assert [each["type"] for each in rule["filters"]] == ["RequestHeaderModifier"]


@pytest.mark.parametrize(("tls", "protocol"), [(False, "HTTP"), (True, "HTTPS")])
def test_alb_has_its_certificate_in_aws(tls: bool, protocol: str) -> None:
    values = ci("tls-secrets") if tls else {}
    ingress = {"controller": "alb", "host": "speech.example.org"}
    release = Release(values | {"exposure": {"type": "ingress", "ingress": ingress}})
    found = release.one("Ingress", "bark")
    assert found["spec"]["tls"] == [{"hosts": ["speech.example.org"]}]
    annotations = found["metadata"]["annotations"]
    assert annotations["alb.ingress.kubernetes.io/backend-protocol"] == protocol
    assert annotations["alb.ingress.kubernetes.io/backend-protocol-version"] == "GRPC"


def test_services_listen_on_both_address_families() -> None:
    release = Release(ci("pod-certificates"))
    for service in ("orchestrator", *STAGES):
        assert "--host=[::]" in release.container(service)["args"]
    assert release.one("Service", "bark")["spec"]["ipFamilies"] == ["IPv6", "IPv4"]


def test_stages_scale_to_zero_by_an_external_metric() -> None:
    release = Release(ci("hpa-zero"))
    hpa = release.one("HorizontalPodAutoscaler", "bark-coarse")["spec"]
    assert hpa["minReplicas"] == 0
    (metric,) = hpa["metrics"]
    assert metric["external"]["metric"] == {
        "name": "barkserve_wanted_replicas",
        "selector": {"matchLabels": {"service": "coarse"}},
    }
    assert "bark-autoscaler" in release.all("Deployment")
    rules = yaml.safe_load((CHART / "files/prometheus-adapter.yaml").read_text())["rules"]
    assert "barkserve_wanted_replicas" in rules["external"][0]["seriesQuery"]


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, "120"),
        ({"stages": {"startupSeconds": 600}}, "600"),
        ({"stages": {"startupSeconds": 600, "replicas": 2}}, "60"),
        (ci("hpa-zero"), "300"),
        ({"services": {"orchestrator": {"options": {"replica-wait-seconds": 5}}}}, "5"),
    ],
)
def test_orchestrator_waits_for_the_longest_start(values: Manifest, seconds: str) -> None:
    args = Release(values).container("orchestrator")["args"]
    (wait,) = (word for word in args if word.startswith("--replica-wait-seconds"))
    assert wait.partition("=")[2] == seconds


def test_downloads_do_not_fail_a_rollout() -> None:
    def deadline(values: Manifest) -> int:
        spec = Release(values).one("Deployment", "bark-coarse")["spec"]
        return int(spec["progressDeadlineSeconds"])

    assert deadline({}) == 120 + 120
    assert deadline({"weights": HUB}) == 120 + 1800
    assert deadline({"stages": {"progressDeadlineSeconds": 77}}) == 77


def test_keda_objects_take_annotations() -> None:
    keda = {"annotations": {"autoscaling.keda.sh/paused": "true"}, "initialCooldownSeconds": 120}
    scaled = Release({"autoscaling": {"mode": "keda", "keda": keda}}).one(
        "ScaledObject", "bark-coarse"
    )
    assert scaled["metadata"]["annotations"] == keda["annotations"]
    assert scaled["spec"]["initialCooldownPeriod"] == 120


def test_hpa_needs_a_monitor() -> None:
    assert "Prometheus must scrape the metric" in complaints({"autoscaling": {"mode": "hpa"}})


def test_nodes_with_our_pods_may_be_removed() -> None:
    key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    for values, volumes in (({}, "tmp"), ({"weights": HUB}, "tmp,weights")):
        template = Release(values).one("Deployment", "bark-fine")["spec"]["template"]
        assert template["metadata"]["annotations"][key] == volumes


def test_test_pods_are_placed_and_reach_what_they_call() -> None:
    placed = {"services": {"orchestrator": {"tolerations": [{"operator": "Exists"}]}}}
    release = Release(placed)
    assert release.one("Pod", "bark-test-speak")["spec"]["tolerations"] == [{"operator": "Exists"}]
    policy = release.one("NetworkPolicy", "bark-test")["spec"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"
    called = [
        each["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for each in policy["egress"]
        if "to" in each
    ]
    assert called == ["orchestrator", "gateway"]
    assert Release({"tests": {"enabled": False}}).all("Pod") == {}


def test_long_names_do_not_collide() -> None:
    def names(override: str) -> set[str]:
        return set(Release({"fullnameOverride": override}).all("Deployment"))

    first, second = names("a" * 46 + "-one"), names("a" * 46 + "-two")
    assert not first & second
    assert max(map(len, first)) <= 63


@pytest.mark.parametrize(("enabled", "pods"), [(True, 6), (False, 0)])
def test_parent_chart_may_turn_the_chart_off(tmp_path: Path, enabled: bool, pods: int) -> None:
    shutil.copytree(CHART, tmp_path / "charts/barkserve")
    parent = {"apiVersion": "v2", "name": "parent", "version": "1.0.0"}
    child = {"name": "barkserve", "version": "*", "condition": "barkserve.enabled"}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(parent | {"dependencies": [child]}))
    with helm_python.Chart.load(tmp_path) as chart:
        rendered = chart.render({"barkserve": {"enabled": enabled}}, name="bark")
    assert sum(text.count("kind: Deployment\n") for text in rendered.values()) == pods


def test_service_for_clients_takes_every_setting() -> None:
    service: dict[str, Any] = {
        "type": "LoadBalancer",
        "nodePort": 30051,
        "loadBalancerClass": "example.org/lb",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Cluster",
        "ipFamilyPolicy": "RequireDualStack",
        "ipFamilies": ["IPv6", "IPv4"],
    }
    spec = Release({"exposure": {"service": service}}).one("Service", "bark")["spec"]
    assert spec["ports"][0]["nodePort"] == service.pop("nodePort")
    assert {key: spec[key] for key in service} == service
