"""Checkpoints that many tests read, built once; one thread for torch: tests must not fight over two
cores; and examples that are the same in every run, however long they take.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import torch

from fixtures.checkpoints import TINY, CheckpointSpec, build_checkpoint


def pytest_configure() -> None:
    """--hypothesis-profile=default draws other examples."""
    hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
    hypothesis.settings.load_profile("suite")
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
