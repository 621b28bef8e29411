"""A download logs bytes and percent at intervals. These tests do not call the hub."""

import logging

import pytest
from huggingface_hub.utils.tqdm import _create_progress_bar

from barkserve.checkpoint import download_progress
from barkserve.checkpoint.download_progress import DownloadProgress, bar_class


def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_progress_logs_bytes_and_percent_at_intervals(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="barkserve.checkpoint.download_progress")
    now = 0.0
    progress = DownloadProgress("checkpoint suno/bark", lambda: now)
    bars = bar_class(progress)
    files = bars(total=3, desc="Fetching 3 files")
    received = _create_progress_bar(  # as the hub's client does
        cls=bars, log_level=30, name="x", desc="y", total=0, unit="B", unit_scale=True
    )
    received.total = 400_000_000
    for now in (1.0, 6.0, 7.0, 13.0):  # noqa: B007 - the clock reads it
        received.n += 40_000_000
        received.refresh()
        files.refresh()
    now = 99.0
    received.close()  # can be long after the last byte
    files.close()
    assert _logged(caplog) == [
        "downloading checkpoint suno/bark: 80 of 400 MB (20%)",
        "downloading checkpoint suno/bark: 160 of 400 MB (40%)",
    ]
    assert capfd.readouterr() == ("", "")


def test_progress_counts_files_without_bytes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="barkserve.checkpoint.download_progress")
    monkeypatch.setattr(download_progress, "INTERVAL_S", 0.0)
    bar = bar_class(DownloadProgress("x"))(range(3), mininterval=0)
    assert list(bar) == [0, 1, 2]
    assert "downloading x: 3 of 3 files" in _logged(caplog)
