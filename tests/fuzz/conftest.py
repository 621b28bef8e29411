"""One process with all services and the gateway, for all tests that fuzz them."""

from collections.abc import Iterator

import pytest

from tests.fuzz.hosted import HostedServices, hosted_services


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedServices]:
    with hosted_services(tmp_path_factory.mktemp("fuzz")) as hosted:
        yield hosted


@pytest.fixture(scope="session")
def ordinary_audio(services: HostedServices) -> bytes:
    return services.speak()
