"""Checkpoints that many tests read, built once, and one thread for torch: tests must not fight over
two cores."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.checkpoints import CheckpointSpec, build_checkpoint


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
