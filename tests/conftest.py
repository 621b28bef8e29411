"""Shared fixtures and settings.

Checkpoints are built once. PyTorch gets one thread, because the tests share few cores. Hypothesis
draws the same examples in every run. HTTP proxies of the environment are ignored.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import torch

from fixtures.checkpoints import TINY, CheckpointSpec, build_checkpoint

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def pytest_configure() -> None:
    """Prepare the process; --hypothesis-profile=default draws other examples."""
    hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
    hypothesis.settings.load_profile("suite")
    # All servers are on this machine, and urllib and aiohttp would ask a proxy even for those.
    # `test_up_needs_no_proxy_on_loopback` sets the variables for the programs themselves.
    for name in list(os.environ):
        if name.lower() in PROXY_VARIABLES:
            del os.environ[name]
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")  # a child that crashes says where


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[CheckpointSpec], Path]:
    """A function from a spec to the folder of its checkpoint, built at the first call."""
    built: dict[CheckpointSpec, Path] = {}

    def folder(spec: CheckpointSpec) -> Path:
        if spec not in built:
            built[spec] = build_checkpoint(
                tmp_path_factory.mktemp("checkpoint") / "bark-test", spec
            )
        return built[spec]

    return folder


@pytest.fixture(scope="session")
def tiny_folder(checkpoint_of: Callable[[CheckpointSpec], Path]) -> Path:
    """The smallest checkpoint; a test that changes anything takes `folder`."""
    return checkpoint_of(TINY)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the smallest checkpoint, to change and to break."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "tiny"))
