"""The page of results."""

from pathlib import Path

from barkclient.bench.results import Result, Results
from benchmarks.gpu.page import render, write_page

PERCENTILES = {"p50": 60.0, "p95": 70.25, "p99": 80.0, "max": 99.0}
RESULTS = Results(
    "benchmarks.gpu",
    {"gpu": "NVIDIA <H200>"},
    {"device": "cuda"},
    [
        Result("steps", {"shape": "small", "part": "coarse", "streams": 16}, {"step_ms": 0.6125}),
        Result("steps", {"shape": "small", "part": "coarse", "streams": 1}, {"step_ms": None}),
        Result("load", {"shape": "small", "loop": "closed", "load": 16}, {"ttfa_ms": PERCENTILES}),
        Result("load", {"shape": "small"}, status="failed", message="barkserve up ended with 1"),
        Result("utterance", {"shape": "small", "side": "barkserve", "part": "chain"}),
    ],
)


def test_page_has_every_result() -> None:
    page = render(RESULTS, None)
    assert "<h1>NVIDIA &lt;H200&gt;</h1>" in page
    assert page.count("<h2>") == 3
    assert "<td>coarse<td>16<td>0.6125<td>ok" in page
    assert "<th>ttfa_ms p50<th>ttfa_ms p95<th>ttfa_ms p99<th>status" in page
    assert "<td>60<td>70.25<td>80<td>ok" in page
    assert "failed barkserve up ended with 1" in page


def test_page_is_written_with_its_plot(tmp_path: Path) -> None:
    assert write_page(RESULTS, tmp_path / "results.json") == tmp_path / "results.html"
    assert '<img src="results.png"' in (tmp_path / "results.html").read_text()
    assert (tmp_path / "results.png").read_bytes()[:4] == b"\x89PNG"
