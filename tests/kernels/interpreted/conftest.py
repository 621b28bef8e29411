"""Collects these tests only where Triton interprets kernels: test_kernels.py starts them so."""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "sweep: many shapes; only `make test-kernels` runs them")
