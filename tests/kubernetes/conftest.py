"""One control plane with one node for all tests in this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kubernetes.control_plane import BUILT, TOKEN, ControlPlane, running_control_plane
from tests.kubernetes.definitions import definitions


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests in this folder if no control plane was built."""
    reason = "`make test-kubernetes` builds a control plane and tests with it"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skipif(not BUILT, reason=reason))
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the operators' resource definitions and one node."""
    folder = tmp_path_factory.mktemp("control-plane")
    with running_control_plane(folder) as running:
        kinds = folder / "definitions.yaml"
        kinds.write_text(yaml.safe_dump_all(definitions()))
        done = running.command("kubectl", "create", "--validate=false", "--filename", str(kinds))
        assert done.returncode == 0, done.stderr
        running.run_module("kubelet", running.url, running.ca, TOKEN, str(folder))
        yield running
