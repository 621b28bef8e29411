"""The built image in a real container: read-only root, no capabilities, unknown user.

`make test-image` builds the image and sets IMAGE to its name.
"""

import asyncio
import json

import httpx
import numpy as np
import pytest

import barkclient
from tests.image.container import IMAGE, Container, inside, inspected, started

_INSTALLED = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""

pytestmark = pytest.mark.skipif(not IMAGE, reason="`make test-image` builds and runs the image")


async def test_image_speaks_on_a_published_port_and_drains() -> None:
    with started("up", "--insecure") as container:
        samples = await _speak(container, "Hello from the container.")
        assert 24_000 < len(samples) < 24_000 * 15
        assert np.abs(samples).max() > 0.05  # a voice, not silence
        assert await _speak_over_http(container) > 24_000
        assert container.run("id", "-u").stdout.strip() == "10001"
        assert container.run("touch", "/opt/barkserve/x").returncode != 0
        assert "CapEff:\t0000000000000000" in container.run("cat", "/proc/1/status").stdout
        assert container.stop(seconds=60) == 0


def test_image_reports_a_wrong_option_in_one_line() -> None:
    said = inside("barkserve coarse --dtype float8 2>&1 || true").strip()
    assert said == (
        "barkserve coarse: --dtype: 'float8' is not one of float32, float16, bfloat16, int8"
    )


@pytest.mark.parametrize(
    "service", ["orchestrator", "semantic", "coarse", "fine", "codec", "gateway"]
)
def test_image_runs_each_service(service: str) -> None:
    assert "--drain-seconds" in inside(f"barkserve {service} --help")


def test_image_has_no_build_tools() -> None:
    tools = "gcc cc g++ make nvcc git"
    assert inside(f"for tool in {tools}; do command -v $tool; done; true") == ""
    assert inside("ls -d /opt/barkserve/lib/python3*/site-packages/pip 2>/dev/null; true") == ""
    assert inside("find / -xdev -perm -4000 -user 10001 2>/dev/null; true") == ""


def test_image_lists_its_packages_and_labels() -> None:
    labels = inspected()["Config"]["Labels"]
    bill = json.loads(inside(f"cat {labels['io.barkserve.sbom']}"))
    assert bill["bomFormat"] == "CycloneDX"
    listed = {_normal(part["name"]): part["version"] for part in bill["components"]}
    installed = json.loads(inside(f"python -c '{_INSTALLED}'"))
    for name, version in installed.items():
        assert listed.get(_normal(name)) == version, name
    assert {"barkclient", "barkserve", "torch", "grpcio", "numpy", "fastapi", "uvicorn"} <= set(
        listed
    )
    for label in ("version", "revision", "licenses", "source", "title"):
        assert labels[f"org.opencontainers.image.{label}"]


def test_image_has_no_pip_settings_of_the_builder() -> None:
    written = json.dumps(inspected())
    assert "PIP_" not in written
    assert inside("env | grep PIP_; ls /etc/pip.conf ~/.config/pip 2>/dev/null; true") == ""


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


async def _speak(container: Container, text: str) -> np.ndarray:
    chunks = []
    async with asyncio.timeout(120):
        async with barkclient.AsyncClient(container.address) as client:
            while True:
                try:
                    async for chunk in client.synthesize(text, seed=1):
                        chunks.append(chunk.samples())
                    return np.concatenate(chunks)
                except barkclient.ServerUnavailable:
                    assert not chunks, container.log()
                    await asyncio.sleep(0.5)  # not ready yet


async def _speak_over_http(container: Container) -> int:
    """Speak through the gateway and load its page; returns the number of samples."""
    async with httpx.AsyncClient(base_url=container.url, timeout=120) as http:
        page = await http.get("/")
        assert "<html" in page.text, container.log()
        speech = {"input": "Hello from the container.", "response_format": "pcm"}
        answer = await http.post("/v1/audio/speech", json=speech)
        assert answer.status_code == 200, answer.text
        return len(answer.content) // 2
