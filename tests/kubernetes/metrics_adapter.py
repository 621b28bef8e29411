"""Serves the metric `barkserve_streams` of pods to the HPA controller.

Simulates Prometheus and prometheus-adapter without time windows: each request reads the current
values from the pods' metrics endpoints. Pods without the metric are left out.

python -m tests.kubernetes.metrics_adapter URL CA TOKEN PORT CERTIFICATE KEY
"""

import asyncio
import datetime
import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.kubernetes.api_client import Api, Json
from tests.kubernetes.https import serve

METRIC = "barkserve_streams"
GROUP = "custom.metrics.k8s.io"

_V1 = f"/apis/{GROUP}/v1beta1"


class Adapter:
    """The metrics of all pods.

    Args:
        api: client for listing pods.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.router.add_get(_V1, self._resources)
        app.router.add_get(_V1 + "/namespaces/{namespace}/pods/{name}/" + METRIC, self._values)
        app.cleanup_ctx.append(self._connected)
        return app

    async def _connected(self, app: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=2)
        async with self._api, aiohttp.ClientSession(timeout=timeout) as self._scraper:
            yield

    async def _resources(self, request: web.Request) -> web.Response:
        resource = {
            "name": f"pods/{METRIC}", "singularName": "", "namespaced": True,
            "kind": "MetricValueList", "verbs": ["get"],
        }  # fmt: skip
        return web.json_response(
            {
                "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": f"{GROUP}/v1beta1", "resources": [resource],
            }
        )  # fmt: skip

    async def _values(self, request: web.Request) -> web.Response:
        namespace = request.match_info["namespace"]
        selector = request.query.get("labelSelector", "")
        path = f"/api/v1/namespaces/{namespace}/pods"
        pods = (await self._api.get(path, labelSelector=selector))["items"]
        found = await asyncio.gather(*(self._value(pod) for pod in pods))
        items = [item for item in found if item is not None]
        if not items:
            gone = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            return web.json_response(gone | {"message": "no series"}, status=404)
        answer = {"kind": "MetricValueList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}}
        return web.json_response(answer | {"items": items})

    async def _value(self, pod: Json) -> Json | None:
        """Return the value of one pod, None if it has none."""
        host = pod.get("status", {}).get("podIP")
        ports = pod["spec"]["containers"][0].get("ports", [])
        port = next((each["containerPort"] for each in ports if each["name"] == "metrics"), None)
        try:
            async with self._scraper.get(f"http://{host}:{port}/metrics") as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return None
        samples = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == METRIC
        ]
        if not samples:
            return None
        name = pod["metadata"]["name"]
        return {
            "describedObject": {"kind": "Pod", "name": name, "apiVersion": "/v1"},
            "metricName": METRIC,
            "timestamp": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": f"{round(sum(samples) * 1000)}m",
        }


def main() -> None:
    """Serve until killed."""
    url, ca, token, port, certificate, key = sys.argv[1:]
    serve(Adapter(Api(url, ca, token)).app(), int(port), certificate, key)


if __name__ == "__main__":
    main()
