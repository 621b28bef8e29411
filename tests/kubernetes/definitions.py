"""CustomResourceDefinitions of the operators' kinds that the chart uses, without schemas.

tests/helm checks the objects against the real schemas.
"""

from typing import Any

_KINDS = (
    ("keda.sh", "v1alpha1", "ScaledObject"),
    ("keda.sh", "v1alpha1", "TriggerAuthentication"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "PodMonitor"),
    ("monitoring.coreos.com", "v1", "PrometheusRule"),
    ("networking.gke.io", "v1", "GCPBackendPolicy"),
    ("cert-manager.io", "v1", "Certificate"),
    ("gateway.networking.k8s.io", "v1", "GRPCRoute"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
    ("gateway.networking.k8s.io", "v1", "BackendTLSPolicy"),
    ("gateway.envoyproxy.io", "v1alpha1", "BackendTrafficPolicy"),
    ("gateway.kgateway.dev", "v1alpha1", "TrafficPolicy"),
    ("gateway.nginx.org", "v1alpha1", "SnippetsFilter"),
)


def definitions() -> list[dict[str, Any]]:
    """Return the CustomResourceDefinitions."""
    return [_definition(*kind) for kind in _KINDS]


def _definition(group: str, version: str, kind: str) -> dict[str, Any]:
    singular = kind.lower()
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
    }
    names = {"kind": kind, "plural": plural, "singular": singular}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }
