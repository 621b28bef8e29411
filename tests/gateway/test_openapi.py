"""The OpenAPI description and docs/http.md name the same routes and fields."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.gateway import RunningGateway

PAGE = (Path(__file__).parents[2] / "docs/http.md").read_text()


@pytest.fixture
async def description(gateway: RunningGateway) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        found: dict[str, Any] = (await http.get("/openapi.json")).json()
    return found


def test_documented_routes_are_described(description: dict[str, Any]) -> None:
    documented = set()
    for method, route in re.findall(r"`(GET|POST) (/[^`, ]+)", PAGE):
        documented.add((method.lower(), route.replace("VOICE", "{voice_id}")))
    described = {(method, path) for path, item in description["paths"].items() for method in item}
    assert len(documented) >= 6
    assert documented - {("get", "/openapi.json")} <= described
    assert ("post", "/v1/audio/speech") in described


def test_documented_fields_of_a_speech_are_described(description: dict[str, Any]) -> None:
    table = PAGE[PAGE.index("| field | values |") :].partition("\n\n")[0]
    first_column = "".join(row.split("|")[1] for row in table.splitlines()[2:])
    documented = set(re.findall(r"`(\w+)`", first_column))
    operation = description["paths"]["/v1/audio/speech"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    described = description["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    assert len(documented) >= 11
    assert documented <= set(described)
