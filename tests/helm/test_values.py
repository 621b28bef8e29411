"""Invalid values are rejected, and the message names the key."""

import json
from typing import Any

import helm_python
import pytest

from barkserve.constants import STAGES
from tests.helm.chart import CHART, Release, ci, values_of


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"servces": {}}, ["servces"]),
        ({"services": {"corse": {}}}, ["/services", "corse"]),
        ({"services": {"coarse": {"replica": 2}}}, ["/services/coarse", "replica"]),
        (
            {"services": {"coarse": {"replicas": "two"}}},
            ["/services/coarse/replicas", "want null or integer"],
        ),
        ({"services": {"fine": {"options": {"slots": 4}}}}, ["/services/fine/options", "slots"]),
        ({"stages": {"options": {"dtype": "float8"}}}, ["/stages/options/dtype", "bfloat16"]),
        ({"stages": {"options": {"device": "gpu"}}}, ["/stages/options/device", "cuda"]),
        (
            {"services": {"fine": {"options": {"offload-idle-seconds": -1}}}},
            ["/services/fine/options/offload-idle-seconds"],
        ),
        ({"stages": {"gpu": {"resource": "gpu"}}}, ["/stages/gpu/resource"]),
        ({"autoscaling": {"mode": "auto"}}, ["/autoscaling/mode", "keda"]),
        ({"weights": {"source": "s3"}}, ["/weights/source", "hub"]),
        ({"defaults": {"drainSeconds": 0}}, ["/defaults/drainSeconds"]),
        ({"image": {"digest": "latest"}}, ["/image/digest"]),
        ({"stages": {"extraArgs": ["slots=3"]}}, ["/stages/extraArgs/0"]),
    ],
)
def test_typo_is_rejected(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        Release(values)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"stages": {"gpu": {"count": 1}}}, "services.coarse.gpu.count is 1 but options.device"),
        ({"stages": {"options": {"device": "cuda"}}}, "services.fine.options.device is cuda but"),
        ({"stages": {"options": {"attention": "flash"}}}, "attention flash needs device cuda"),
        (
            {"services": {"fine": {"options": {"offload-idle-seconds": 60}}}},
            "services.fine.options.offload-idle-seconds needs device cuda",
        ),
        (
            {"stages": {"options": {"device": "cuda", "dtype": "int8"}, "gpu": {"count": 1}}},
            "services.coarse.options.dtype int8 needs device cpu",
        ),
        (
            {"defaults": {"strategy": {"maxSurge": 0, "maxUnavailable": 0}}},
            "services.codec.strategy",
        ),
        (
            {"autoscaling": {"mode": "hpa"}, "stages": {"autoscaling": {"minReplicas": 0}}},
            "only with autoscaling.mode keda",
        ),
        (
            {"autoscaling": {"mode": "keda"}, "stages": {"autoscaling": {"minReplicas": 9}}},
            "minReplicas 9 is above maxReplicas 4",
        ),
        ({"weights": {"source": "hub"}}, "weights.hub.name is missing"),
        ({"weights": {"source": "volume"}}, "weights.volume.claimName is missing"),
        ({"weights": {"source": "image"}}, "weights.image.reference is missing"),
        ({"voices": {"store": "url"}}, "voices.url is missing"),
        (
            {"services": {"coarse": {"options": {"insecure": False}}}},
            "services.coarse.options.insecure is false but tls.enabled is false",
        ),
        (
            ci("gateway") | {"services": {}},
            "services.orchestrator.options.insecure is false but tls.clients is anyone",
        ),
        (
            ci("gateway") | {"services": {}},
            "services.gateway.options.insecure is false but require-tokens is too",
        ),
        (
            {"services": {"gateway": {"options": {"require-tokens": True}}}},
            "require-tokens needs services.orchestrator.options.auth-tokens or auth-jwks",
        ),
        (
            {"exposure": {"type": "ingress", "http": {"host": "web.example.org"}}},
            "exposure.http.tlsSecret is missing",
        ),
        (
            {
                "exposure": {
                    "type": "ingress",
                    "ingress": {"host": "a.example.org", "tlsSecret": "a"},
                    "http": {"host": "a.example.org", "tlsSecret": "a"},
                }
            },
            "exposure.http.host equals exposure.ingress.host",
        ),
        ({"tls": {"enabled": True}}, "tls.certManager.issuerRef.name is missing"),
        ({"tls": {"enabled": True, "source": "secret"}}, "tls.secrets.semantic is missing"),
        ({"exposure": {"type": "gateway"}}, "exposure.gateway.parentRefs is missing"),
        ({"exposure": {"type": "ingress"}}, "exposure.ingress.host is missing"),
        (ci("gateway") | {"tls": ci("tls")["tls"]}, "set tls.clients anyone"),
    ],
)
def test_contradicting_values_are_rejected(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(helm_python.HelmError, match="do not fit together") as caught:
        Release(values)
    assert complaint in str(caught.value)


def test_all_complaints_are_in_one_message() -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        Release({"weights": {"source": "hub"}, "stages": {"gpu": {"count": 1}}})
    for stage in STAGES:
        assert f"services.{stage}.gpu.count" in str(caught.value)
    assert "weights.hub.name" in str(caught.value)


def test_schema_covers_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = _keys(schema, schema)
    free = tuple(path.removesuffix("*") for path in known if path.endswith("/*"))
    paths = _paths(values_of(CHART / "values.yaml"))
    assert {path for path in paths if not path.startswith(free)} <= known


def _paths(value: Any, where: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {where}
    return {where} | {each for key in value for each in _paths(value[key], f"{where}/{key}")}


def _keys(part: dict[str, Any], schema: dict[str, Any], where: str = "") -> set[str]:
    if "$ref" in part:
        part = schema["definitions"][part["$ref"].rpartition("/")[2]]
    open_to = part.get("additionalProperties")
    if "object" in part.get("type", ()) and open_to is not False:
        return {where, f"{where}/*"}
    found = {where}
    for key, each in part.get("properties", {}).items():
        found |= _keys(each, schema, f"{where}/{key}")
    return found
