"""Writes helm/barkserve/values.schema.json, by which Helm checks the values of the chart.

The options of each service come from the program. The settings of pods stand here once, and in the
schema once for `defaults`, `stages` and each service.

    python -m tools.chart_schema
"""

import json
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from barkserve.config.process import ServiceOptions
from barkserve.config.stages import StageOptions
from barkserve.options import AUTO, flag_of
from barkserve.services import SERVICES, callees

Schema = dict[str, Any]

PATH = Path(__file__).parents[1] / "helm/barkserve/values.schema.json"

WIDTH = 110
"""Characters in a line of the file."""

CHART_SETS = {
    "host", "port", "metrics_port", "health_port", "drain_seconds", "checkpoint", "voice_store",
    "tls_cert", "tls_key", "tls_ca", "tls_clients", "certificate_roles",
}  # fmt: skip
"""Options that the chart computes from other values."""

NOT_OFFERED = {
    "core_share",
    "cores",
    "exit_on_stdin_close",
    "own_port",
    "watchdog_trips",
    "wyoming_host",
    "wyoming_port",
}

EXCLUSIVE = {"target_utilization": 1, "assumed_streams": None, "admission_share": 1}
"""Options whose lower limit is exclusive, with their upper limits. The service checks them."""

PATTERNS = {"device": "^(cpu|cuda(:[0-9]+)?)$"}

TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
TEXT_MAP: Schema = {"type": "object", "additionalProperties": TEXT}
ANY_MAP: Schema = {"type": "object"}
MAPS: Schema = {"type": "array", "items": ANY_MAP}
PULL_POLICY: Schema = {"enum": ["Always", "IfNotPresent", "Never"]}
DIGEST: Schema = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
SIZE: Schema = {"type": "string", "pattern": "^[0-9.]+(Mi|Gi|Ti)$"}
HOURS: Schema = {"type": "string", "pattern": "^[0-9]+h$"}


def whole(least: int, most: int | None = None) -> Schema:
    """An integer within limits."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def one_of(*names: str) -> Schema:
    """One of these words."""
    return {"enum": list(names)}


def closed(**properties: Schema) -> Schema:
    """A map with these keys and no other."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def or_null(schema: Schema) -> Schema:
    """A value, or null, which removes the one of `defaults` or `stages`."""
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if "oneOf" in schema:
        return schema | {"oneOf": [*schema["oneOf"], {"type": "null"}]}
    return schema | {"type": [schema["type"], "null"]}


PORT = whole(1, 65535)
COUNT_OR_PERCENT: Schema = {"oneOf": [whole(0), {"type": "string", "pattern": "^[0-9]+%$"}]}
QUANTITY: Schema = {
    "oneOf": [
        {"type": "string", "pattern": "^[0-9.]+(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"},
        {"type": "number", "minimum": 0},
        {"type": "null"},
    ]
}
QUANTITIES: Schema = {"type": "object", "additionalProperties": QUANTITY}
RESOURCES = closed(requests=QUANTITIES, limits=QUANTITIES)
IMAGE = closed(registry=TEXT, repository=TEXT, tag=TEXT, digest=DIGEST)
PROBE = closed(
    initialDelaySeconds=whole(0), periodSeconds=whole(1), timeoutSeconds=whole(1),
    failureThreshold=whole(1),
)  # fmt: skip

POD: dict[str, Schema] = {
    "replicas": whole(0),
    "extraArgs": {"type": "array", "items": {"type": "string", "pattern": "^--"}},
    "env": MAPS,
    "envFrom": MAPS,
    "image": closed(
        registry=TEXT, repository=TEXT, tag=TEXT, digest=DIGEST, pullPolicy=PULL_POLICY
    ),
    "startupSeconds": whole(10),
    "progressDeadlineSeconds": whole(0),
    "preStopSeconds": whole(1),
    "drainSeconds": whole(1),
    "strategy": closed(maxSurge=COUNT_OR_PERCENT, maxUnavailable=COUNT_OR_PERCENT),
    "podDisruptionBudget": closed(enabled=FLAG, maxUnavailable=COUNT_OR_PERCENT),
    "probes": closed(startup=PROBE, readiness=PROBE, liveness=PROBE),
    "lifecycle": ANY_MAP,
    "resources": RESOURCES,
    "tmp": closed(sizeLimit=TEXT),
    "gpu": closed(
        resource={"type": "string", "pattern": "^[a-z0-9.-]+/[A-Za-z0-9._-]+$"},
        count=whole(0),
        unaccounted=FLAG,
        sharing=one_of("none", "timeSlicing", "mps"),
        mps=closed(memoryLimit=TEXT, threadPercent=whole(0, 100)),
        resourceClaims=MAPS,
        claimTemplate=ANY_MAP,
    ),
    "runtimeClassName": TEXT,
    "priorityClassName": TEXT,
    "schedulerName": TEXT,
    "nodeSelector": {"type": "object", "additionalProperties": or_null(TEXT)},
    "tolerations": MAPS,
    "affinity": ANY_MAP,
    "topologySpread": one_of("soft", "hard", "none"),
    "topologySpreadConstraints": MAPS,
    "hostAliases": MAPS,
    "hostUsers": FLAG,
    "dnsPolicy": TEXT,
    "dnsConfig": ANY_MAP,
    "podSecurityContext": ANY_MAP,
    "securityContext": ANY_MAP,
    "serviceAccount": closed(create=FLAG, name=TEXT, annotations=TEXT_MAP),
    "deploymentLabels": TEXT_MAP,
    "deploymentAnnotations": TEXT_MAP,
    "podLabels": {"type": "object", "additionalProperties": or_null(TEXT)},
    "podAnnotations": {"type": "object", "additionalProperties": or_null(TEXT)},
    "extraInitContainers": MAPS,
    "extraContainers": MAPS,
    "extraVolumes": MAPS,
    "extraVolumeMounts": MAPS,
    "autoscaling": closed(
        enabled=FLAG,
        minReplicas=whole(0),
        maxReplicas=whole(1),
        targetStreams={"type": "number", "exclusiveMinimum": 0},
        targetCpuPercent=whole(1),
    ),
}
"""Settings of `defaults`, `stages` and each service, besides `options`."""

CLAIM = closed(
    existingClaim=TEXT,
    size=SIZE,
    storageClassName=TEXT,
    accessMode=one_of("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"),
    annotations=TEXT_MAP,
    selector=ANY_MAP,
)
CACHE = closed(type=one_of("pvc", "ephemeral", "emptyDir"), **CLAIM["properties"])
PUBLIC_SERVICE = closed(
    type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
    port=PORT,
    nodePort=whole(0, 65535),
    annotations=TEXT_MAP,
    labels=TEXT_MAP,
    loadBalancerClass=TEXT,
    loadBalancerSourceRanges=TEXTS,
    externalTrafficPolicy=one_of("", "Cluster", "Local"),
    internalTrafficPolicy=one_of("", "Cluster", "Local"),
    ipFamilyPolicy=one_of("", "SingleStack", "PreferDualStack", "RequireDualStack"),
    ipFamilies={"type": "array", "items": one_of("IPv4", "IPv6")},
)

WEIGHTS = closed(
    source=one_of("bundled", "hub", "volume", "image"),
    mount=one_of("copy", "direct"),
    sizeLimit=TEXT,
    fetch=closed(env=MAPS, envFrom=MAPS, extraVolumeMounts=MAPS, resources=RESOURCES),
    hub=closed(
        name=TEXT, revision=TEXT, endpoint=TEXT, tokenSecret=TEXT, tokenSecretKey=NAME, cache=CACHE
    ),
    volume=closed(claimName=TEXT, spec=ANY_MAP, path=TEXT),
    image=closed(reference=TEXT, path=TEXT, pullPolicy=PULL_POLICY),
)
AUTOSCALING = closed(
    mode=one_of("none", "keda", "hpa"),
    keda=closed(
        pollingSeconds=whole(1),
        cooldownSeconds=whole(0),
        initialCooldownSeconds=whole(0),
        annotations=TEXT_MAP,
    ),
    hpa=closed(metric=one_of("Pods", "External"), annotations=TEXT_MAP),
    scaleUp=closed(
        stabilizationSeconds=whole(0, 3600),
        periodSeconds=whole(1, 1800),
        pods=whole(1),
        percent=whole(1),
    ),
    scaleDown=closed(
        stabilizationSeconds=whole(0, 3600), periodSeconds=whole(1, 1800), pods=whole(1)
    ),
)
EXPOSURE = closed(
    type=one_of("service", "ingress", "gateway"),
    streamTimeoutSeconds=whole(1),
    service=PUBLIC_SERVICE,
    http=closed(service=PUBLIC_SERVICE, host=TEXT, tlsSecret=TEXT, filters=MAPS, rules=MAPS),
    wyoming=closed(enabled=FLAG, clients=MAPS, service=PUBLIC_SERVICE),
    ingress=closed(
        className=TEXT,
        controller=one_of("nginx", "traefik", "alb", "other"),
        host=TEXT,
        tlsSecret=TEXT,
        annotations=TEXT_MAP,
    ),
    gateway=closed(
        parentRefs=MAPS,
        hostnames=TEXTS,
        implementation=one_of("other", "envoyGateway", "gke", "nginxGatewayFabric", "kgateway"),
        filters=MAPS,
        rules=MAPS,
        caConfigMap=TEXT,
        annotations=TEXT_MAP,
    ),
)


def _tls() -> Schema:
    return closed(
        enabled=FLAG,
        clients=one_of("certificate", "anyone"),
        source=one_of("certManager", "secret", "podCertificate", "volume"),
        certManager=closed(
            issuerRef=closed(name=TEXT, kind=TEXT, group=TEXT),
            duration=HOURS,
            renewBefore=HOURS,
            localhost=FLAG,
        ),
        podCertificate=closed(
            signerName=TEXT, keyType=TEXT, maxExpirationSeconds=whole(3600), trustSignerName=TEXT
        ),
        volume=ANY_MAP,
        trustBundle=closed(configMap=TEXT, key=NAME),
        identities=closed(orchestrator=TEXT, autoscaler=TEXT, gateway=TEXT),
        roles=TEXT,
        publicNames=TEXTS,
        secrets=closed(**{entry.name: NAME for entry in SERVICES}),
    )


def _definition(entry: Field[Any]) -> Schema:
    """The schema of an option of the program."""
    if entry.name in PATTERNS:
        return TEXT | {"pattern": PATTERNS[entry.name]}
    if entry.metadata["choices"]:
        return one_of(*entry.metadata["choices"])
    if isinstance(entry.default, bool):
        return FLAG
    if isinstance(entry.default, str):
        return TEXT
    kind = "integer" if isinstance(entry.default, int) else "number"
    if entry.name in EXCLUSIVE:
        most = EXCLUSIVE[entry.name]
        limit = {} if most is None else {"maximum": most}
        return {"type": kind, "exclusiveMinimum": 0} | limit
    number = {"type": kind, "minimum": int(entry.metadata["least"])}
    return {"oneOf": [number, {"const": AUTO}]} if entry.metadata["auto"] else number


def offered(kind: type[Any]) -> Iterator[Field[Any]]:
    """The options of a service that values may set."""
    hidden = CHART_SETS | NOT_OFFERED | {callee.name for callee in callees(kind)}
    return (entry for entry in fields(kind) if entry.name not in hidden)


def _settings(kind: type[Any], **more: Schema) -> Schema:
    """A part of the values that has options of the program and settings of pods."""
    flags = (flag_of(entry.name).lstrip("-") for entry in offered(kind))
    options = closed(**{flag: {"$ref": f"#/definitions/option-{flag}"} for flag in flags})
    return closed(
        **more, options=options, **{name: {"$ref": f"#/definitions/{name}"} for name in POD}
    )


def schema() -> Schema:
    """The whole schema."""
    services = {
        entry.name: _settings(entry.options, **({"enabled": FLAG} if entry.is_http else {}))
        for entry in SERVICES
    }
    options = {
        f"option-{flag_of(entry.name).lstrip('-')}": or_null(_definition(entry))
        for service in SERVICES
        for entry in offered(service.options)
    }
    top = closed(
        enabled=FLAG,
        nameOverride=TEXT,
        fullnameOverride=TEXT,
        labels=TEXT_MAP,
        commonAnnotations=TEXT_MAP,
        **{"global": ANY_MAP},
        image=closed(
            registry=TEXT,
            repository=NAME,
            tag=TEXT,
            digest=DIGEST,
            variants=closed(cpu=IMAGE, cuda=IMAGE),
            pullPolicy=PULL_POLICY,
            pullSecrets=TEXTS,
        ),
        listen=one_of("0.0.0.0", "[::]"),
        discovery=one_of("kubernetes", "dns"),
        weights=WEIGHTS,
        voices=closed(store=one_of("none", "volume", "url"), volume=CLAIM, url=TEXT),
        defaults=_settings(ServiceOptions),
        stages=_settings(StageOptions),
        services=closed(**services),
        autoscaling=AUTOSCALING,
        exposure=EXPOSURE,
        tls=_tls(),
        networkPolicy=closed(
            enabled=FLAG,
            clients=MAPS,
            prometheus=MAPS,
            keda=MAPS,
            egress=MAPS,
            apiServerPorts={"type": "array", "items": PORT},
        ),
        metrics=closed(
            monitor=one_of("none", "service", "pod"),
            interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
            labels=TEXT_MAP,
            prometheusRule=closed(enabled=FLAG, labels=TEXT_MAP),
            dashboards=closed(enabled=FLAG, labels=TEXT_MAP, annotations=TEXT_MAP, namespace=TEXT),
        ),
        rbac=closed(create=FLAG),
        tests=closed(enabled=FLAG, resources=RESOURCES),
        extraObjects={"type": "array"},
    )
    pod = {name: or_null(setting) for name, setting in POD.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the barkserve chart",
        **top,
        "definitions": pod | dict(sorted(options.items())),
    }


def text() -> str:
    """The schema as it is in the file."""
    return _lines(schema()) + "\n"


def _lines(value: Any, indent: str = "") -> str:
    """JSON whose short values are on one line."""
    short = json.dumps(value)
    if len(short) + len(indent) <= WIDTH or not isinstance(value, dict):
        return short
    inner = indent + "  "
    items = (f"{inner}{json.dumps(key)}: {_lines(each, inner)}" for key, each in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


if __name__ == "__main__":
    PATH.write_text(text())
