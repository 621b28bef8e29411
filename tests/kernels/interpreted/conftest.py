"""Collects these tests only where Triton interprets kernels: test_kernels.py starts them so."""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "sweep: many shapes; only `make test-kernels` runs them")


@pytest.fixture
def products_without_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a row of tl.dot have the same bits in each row of its tile, as on a GPU.

    The interpreter calls numpy.matmul. Its result for a row depends on the row's position on
    processors without AVX-512.
    """

    def matmul(
        a: NDArray[np.generic], b: NDArray[np.generic], dtype: np.dtype[np.generic]
    ) -> NDArray[np.generic]:
        product: NDArray[np.generic] = np.einsum("mk,kn->mn", a, b, dtype=dtype, casting="unsafe")
        return product

    monkeypatch.setattr(np, "matmul", matmul)
