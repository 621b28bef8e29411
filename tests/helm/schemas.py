"""Validates manifests with the schemas of Kubernetes and of the operators.

The schemas are strict: an unknown key is an error.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
from cloudcoil.models.cert_manager import v1 as cert_manager
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus
from pydantic import BaseModel
from referencing import Registry, Resource

_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
KUBERNETES_VERSIONS = ("1.31", "1.34", "1.35", "1.36", "1.37")

_MODELS: dict[tuple[str, str], type[BaseModel]] = {
    ("cert-manager.io/v1", "Certificate"): cert_manager.Certificate,
    ("keda.sh/v1alpha1", "ScaledObject"): keda.ScaledObject,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): keda.TriggerAuthentication,
    ("monitoring.coreos.com/v1", "PodMonitor"): prometheus.PodMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): prometheus.PrometheusRule,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): prometheus.ServiceMonitor,
}


def check(manifest: dict[str, Any], version: str) -> None:
    """Raise an error if a manifest is invalid or has an unknown key."""
    _check(json.dumps(manifest), version)


@cache  # most manifests are the same for most values
def _check(text: str, version: str) -> None:
    manifest = json.loads(text)
    kind = (manifest["apiVersion"], manifest["kind"])
    if kind in _MODELS:
        _MODELS[kind].model_validate(manifest)
        _strict(_MODELS[kind]).validate(manifest)
    elif kind in _GATEWAY:
        jsonschema.validate(manifest["spec"], _GATEWAY[kind])
    else:
        _kubernetes(version, *kind).validate(manifest)


@cache
def _kubernetes(version: str, api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    """The strict schema of kubernetes-validate, cached."""
    group, _, last = api_version.rpartition("/")
    name = "-".join([kind.lower(), *([group.partition(".")[0]] if group else []), last])
    registry: Registry[Any] = _definitions(version) @ Registry()
    schema = json.loads((_SCHEMAS / f"v{version}.0-local-strict" / f"{name}.json").read_text())
    return jsonschema.Draft202012Validator(schema, registry=registry)


@cache
def _definitions(version: str) -> Resource[Any]:
    text = (_SCHEMAS / f"v{version}.0-local-strict" / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text))


@cache
def _strict(model: type[BaseModel]) -> jsonschema.Draft202012Validator:
    """A strict schema; the models accept unknown keys, which an API server silently drops."""
    closed = _closed(model.model_json_schema(by_alias=True))
    closed["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(closed)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(each) for key, each in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        closed["additionalProperties"] = False
    return closed


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_TEXT = {"type": "string", "minLength": 1}
_DURATION = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_PARENT = _object(
    ["name"], group=_TEXT, kind=_TEXT, name=_TEXT, namespace=_TEXT, sectionName=_TEXT,
    port={"type": "integer"},
)  # fmt: skip
_TARGET = _object(
    ["group", "kind", "name"], group={"type": "string"}, kind=_TEXT, name=_TEXT, sectionName=_TEXT
)
_REFERENCE = _object(["group", "kind", "name"], group={"type": "string"}, kind=_TEXT, name=_TEXT)
_BACKEND = _object(["name", "port"], name=_TEXT, port={"type": "integer"})
_HEADERS = {"type": "array", "items": _object(["name", "value"], name=_TEXT, value=_TEXT)}
_MODIFIER = _object([], set=_HEADERS, add=_HEADERS, remove={"type": "array", "items": _TEXT})
_FILTER = _object(
    ["type"],
    type={"enum": [
        "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "ExtensionRef",
    ]},
    requestHeaderModifier=_MODIFIER,
    responseHeaderModifier=_MODIFIER,
    requestRedirect=_object([], hostname=_TEXT, statusCode={"enum": [301, 302]}),
    extensionRef=_REFERENCE,
)  # fmt: skip
_PATH = _object(["type", "value"], type={"enum": ["Exact", "PathPrefix"]}, value=_TEXT)


def _some(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1}


def _route(match: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = _object(
        [], matches=_some(match), filters=_some(_FILTER), backendRefs=_some(_BACKEND), **more
    )
    return _object(
        ["parentRefs", "rules"],
        parentRefs=_some(_PARENT), hostnames=_some(_TEXT), rules=_some(rule),
    )  # fmt: skip


# Written from the CRDs, as far as the chart uses them: no package contains them.
_GATEWAY: dict[tuple[str, str], dict[str, Any]] = {
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): _route(
        _object([], method=_object([], service=_TEXT, method=_TEXT))
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _route(
        _object([], path=_PATH), timeouts=_object(["request"], request=_DURATION)
    ),
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): _object(
        ["targetRefs", "validation"],
        targetRefs=_some(_TARGET),
        validation=_object(
            ["hostname", "caCertificateRefs"],
            hostname=_TEXT,
            caCertificateRefs=_some(_REFERENCE),
        ),
    ),
    ("networking.gke.io/v1", "GCPBackendPolicy"): _object(
        ["default", "targetRef"],
        default=_object(["timeoutSec"], timeoutSec={"type": "integer"}),
        targetRef=_REFERENCE,
    ),
    ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"): _object(
        ["targetRefs", "timeout"],
        targetRefs=_some(_TARGET),
        timeout=_object(
            ["http"],
            http=_object(
                ["requestTimeout"],
                requestTimeout=_DURATION,
                maxStreamDuration=_DURATION,
                streamIdleTimeout=_DURATION,
                connectionIdleTimeout=_DURATION,
            ),
        ),
    ),
    ("gateway.nginx.org/v1alpha1", "SnippetsFilter"): _object(
        ["snippets"],
        snippets=_some(
            _object(
                ["context", "value"],
                context={"enum": ["main", "http", "http.server", "http.server.location"]},
                value=_TEXT,
            )
        ),
    ),
    ("gateway.kgateway.dev/v1alpha1", "TrafficPolicy"): _object(
        ["targetRefs"],
        targetRefs=_some(_TARGET),
        timeouts=_object([], request=_DURATION, streamIdle=_DURATION),
    ),
}
