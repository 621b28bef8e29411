"""`barkclient bench` against the scripted server: files, table, exit codes, Ctrl-C."""

import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest

from barkclient.__main__ import run
from barkclient.bench import plot
from barkclient.bench.results import Results, read_results
from tests.barkclient.command_line import Command
from tests.barkclient.scripted_server import (
    PCM,
    SAMPLE_COUNT,
    SAMPLE_RATE,
    Failure,
    ScriptedSpeech,
    serve,
)

AUDIO_S = SAMPLE_COUNT / SAMPLE_RATE


@pytest.fixture(scope="module", autouse=True)
def _fonts() -> None:
    """Load the fonts before the tests: the first import on a machine prints a message."""
    import_module("matplotlib.font_manager")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(command: Command) -> Results:
    return read_results(command.folder / "bench.json")


class EveryOtherFails(ScriptedSpeech):
    async def Synthesize(self, request: Any, context: Any) -> None:
        failure = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "all slots are taken")
        self.failure = failure if len(self.requests) % 2 else None
        await super().Synthesize(request, context)


async def test_bench_writes_table_report_and_plot(command: Command, speech: ScriptedSpeech) -> None:
    options = "--concurrency 1,2 --count 4 --warmup 1 --seed 7 --json bench.json --plot bench.png"
    result = await command("bench", *options.split())
    assert result.code == 0
    head, units, *rows = result.stdout.decode().splitlines()
    assert "TTFA ms" in head
    assert "p50/p95/p99" in units
    assert [row.split()[:4] for row in rows[:2]] == [
        ["1", "at", "once", "4/4"],
        ["2", "at", "once", "4/4"],
    ]
    assert [line.split(",")[0] for line in result.stderr.splitlines()] == [
        "warm-up 1 at once: 1 of 1 streams",
        "1 at once: 4 of 4 streams",
        "warm-up 1 at once: 1 of 1 streams",
        "2 at once: 4 of 4 streams",
    ]
    assert (command.folder / "bench.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    seeds = [request.seed for request in speech.requests]
    assert [seeds[0:1], seeds[1:5], seeds[5:6]] == [[7], [7, 8, 9, 10], [7]]
    assert sorted(seeds[6:]) == [7, 8, 9, 10]


async def test_report_contains_method_and_results(command: Command) -> None:
    options = "--concurrency 2 --count 4 --voice announcer --timeout 30 --json bench.json"
    assert await command.inside("bench", *options.split()) == 0
    whole = report(command)
    method = dict(whole.method)
    texts = method.pop("texts")
    assert len(texts) == 10
    assert method == {
        "loop": "closed",
        "loads": [2],
        "saturate": False,
        "max_load": 1000,
        "max_s": 600,
        "voice": "announcer",
        "seed": 0,
        "count": 4,
        "duration_s": None,
        "warmup": 2,
        "timeout_s": 30.0,
        "server": command.server,
        "model": "bark-mini",
        "delivery": "streaming",
        "encoding": "pcm16",
    }
    assert (whole.tool, whole.machine["role"]) == ("barkclient bench", "client")
    (level,) = whole.results
    assert level.case == {"loop": "closed", "load": 2, "count": 4, "duration_s": None}
    assert (level.section, level.status, level.message) == ("load", "ok", "")
    metrics: Any = level.metrics
    assert (metrics["begun"], metrics["finished"], metrics["failed"]) == (4, 4, 0)
    assert level.details == {"errors": {}, "reasons": {}, "stopped_early": False}
    assert metrics["audio_s"] == pytest.approx(4 * AUDIO_S, abs=1e-5)
    assert metrics["audio_per_s"] > 0
    for name in ("ttfa_ms", "gap_ms", "rtf", "underrun_ms", "longest_silence_ms"):
        assert 0 <= metrics[name]["p50"] <= metrics[name]["p95"] <= metrics[name]["max"]
    assert 0 <= metrics["c0_share"] <= metrics["c50_share"] <= metrics["c200_share"] <= 1


async def test_raw_report_contains_every_chunk(command: Command) -> None:
    options = "--rate 200 --count 5 --warmup 0 --raw --json bench.json"
    assert await command.inside("bench", *options.split()) == 0
    (level,) = report(command).results
    assert level.case["loop"] == "open"
    streams = level.details["streams"]
    assert sorted(stream["index"] for stream in streams) == list(range(5))
    for stream in streams:
        assert (stream["status"], stream["message"]) == ("OK", "")
        assert len(stream["arrivals"]) == len(PCM)
        assert sum(audio_s for _, audio_s in stream["arrivals"]) == pytest.approx(AUDIO_S, abs=1e-5)


async def test_bench_ends_after_duration(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await command.inside("bench", "--concurrency", "1", "--duration", "0.2") == 0
    assert "1 at once" in capsys.readouterr().out


async def test_bench_speaks_texts_of_file_in_turn(command: Command, speech: ScriptedSpeech) -> None:
    texts = command.folder / "texts"
    texts.write_text("one\ntwo\n")
    options = f"--concurrency 1 --count 3 --warmup 0 --text-file {texts}"
    assert await command.inside("bench", *options.split()) == 0
    assert [request.text for request in speech.requests] == ["one", "two", "one"]


async def test_saturation_is_a_measured_level(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--saturate --concurrency 1 --max-load 2 --count 4 --json bench.json"
    assert await command.inside("bench", *options.split()) == 0
    whole = report(command)
    assert capsys.readouterr().out.splitlines()[-1].startswith("saturation: ")
    measured = [level.case["load"] for level in whole.of("load")]
    assert measured[0] == 1
    (found,) = whole.of("saturation")
    assert found.case == {"loop": "closed", "goal": "c100_share >= 0.99"}
    assert found.metrics["sustained_load"] in [None, *measured]


async def test_saturation_search_ends_at_first_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(servicer := EveryOtherFails()) as target:
        command = Command(tmp_path, target)
        options = "--saturate --concurrency 1 --count 9 --json bench.json"
        assert await command.inside("bench", *options.split()) == 0
    (found,) = report(command).of("saturation")
    assert found.metrics == {"sustained_load": None, "failed_load": 1}
    table = capsys.readouterr().out
    assert "not even 1 streams at once are sustained" in table
    assert "1 at once: stopped after " in table
    assert len(servicer.requests) <= 2 + 2  # warm-up; the second measured stream decides


async def test_saturation_search_ends_in_its_time(
    command: Command, speech: ScriptedSpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    speech.allow(2 * len(PCM))  # the third stream hangs
    options = "--saturate --concurrency 1 --count 9 --warmup 0 --max-seconds 3 --json bench.json"
    assert await command.inside("bench", *options.split()) == 0
    assert "the time was up before the search was complete" in capsys.readouterr().out
    (level, found) = report(command).results
    assert (level.status, found.status) == ("interrupted", "timeout")
    assert found.metrics == {"sustained_load": None, "failed_load": None}


async def test_bench_counts_some_failures(tmp_path: Path) -> None:
    async with serve(EveryOtherFails()) as target:
        command = Command(tmp_path, target)
        options = "--concurrency 1 --count 6 --warmup 0 --json bench.json"
        result = await command("bench", *options.split())
    assert result.code == 0
    assert "1 at once: 3 failed with RESOURCE_EXHAUSTED: all slots are taken" in (
        result.stdout.decode()
    )
    (level,) = report(command).results
    metrics: Any = level.metrics
    assert (metrics["begun"], metrics["finished"], metrics["failed"]) == (6, 3, 3)
    assert (level.status, level.message) == ("ok", "3 failed with RESOURCE_EXHAUSTED")
    assert level.details["errors"] == {"RESOURCE_EXHAUSTED": 3}
    assert metrics["c100_share"] <= 0.5


@pytest.mark.parametrize("warmup", ["0", "2"])
async def test_exit_code_is_1_if_every_stream_fails(
    command: Command, speech: ScriptedSpeech, warmup: str
) -> None:
    speech.failure = Failure(grpc.StatusCode.INTERNAL, "the codec is gone")
    options = f"--concurrency 1 --count 2 --warmup {warmup} --json bench.json"
    result = await command("bench", *options.split())
    assert result.code == 1
    reason = f"{speech.target} failed with INTERNAL: the codec is gone"
    assert result.stderr.splitlines()[-1] == f"barkclient: every stream failed: {reason}"
    assert all(level.status == "failed" for level in report(command).results)
    assert len(speech.requests) == 2


async def test_missing_server_is_reported(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        assert await command.inside("bench", "--server", server) == 3
    reason = f"nothing answers at {server}: start one with `barkserve up`"
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"barkclient: every stream failed: {reason}"


async def test_interrupted_bench_writes_its_report(
    command: Command, speech: ScriptedSpeech
) -> None:
    speech.allow(2 * len(PCM))  # the third stream hangs
    options = "--concurrency 1 --count 9 --warmup 0 --json bench.json --plot bench.png"
    async with command.running("bench", *options.split()) as process:
        while len(speech.requests) < 3:
            speech.called.clear()
            await speech.called.wait()
        process.send_signal(signal.SIGINT)
        await speech.cancelled.wait()
        process.send_signal(signal.SIGINT)  # a second one changes nothing
        result = await command.end(process)
    assert result.code == 130
    assert result.stderr.splitlines()[-1] == "barkclient: interrupted"
    assert "1 at once: interrupted after " in result.stdout.decode()
    (level,) = report(command).results
    assert (level.metrics["begun"], level.metrics["finished"]) == (3, 2)
    assert level.status == "interrupted"
    assert (command.folder / "bench.png").read_bytes()[:4] == b"\x89PNG"


async def test_interrupt_during_warm_up_writes_report(
    command: Command, speech: ScriptedSpeech
) -> None:
    speech.allow(0)
    async with command.running("bench", "--json", "bench.json") as process:
        await speech.called.wait()
        process.send_signal(signal.SIGINT)
        result = await command.end(process)
    assert (result.code, result.stdout) == (130, b"")
    assert report(command).results == []


@pytest.mark.parametrize(
    "options",
    [
        "--concurrency 0",
        "--concurrency 1,x",
        "--concurrency 99999",
        "--rate 0",
        "--rate nan",
        "--concurrency 1 --rate 1",
        "--rate 1,2 --saturate",
        "--saturate --duration 9",
        "--saturate --max-load 0",
        "--saturate --max-seconds 0",
        "--count 0",
        "--count 1 --duration 1",
        "--duration inf",
        "--warmup -1",
        "--seed -1",
        "--timeout 0",
        "--raw",
        "--voice nowhere.npz",
        "--text-file nowhere.txt",
        "--json nowhere/bench.json",
        "--plot nowhere/bench.png",
        "--sing",
    ],
)
def test_wrong_command_line_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], options: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        sys.exit(run(["bench", *options.split()], {}))  # argparse leaves by itself
    assert exited.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.startswith("barkclient")
    assert len(stderr.splitlines()) == 1


def test_plot_without_matplotlib_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    assert run(["bench", "--plot", "bench.png"], {}) == 2
    message = "barkclient: --plot needs matplotlib: pip install 'barkclient[bench]'\n"
    assert capsys.readouterr() == ("", message)


def test_matplotlib_is_imported_only_to_draw() -> None:
    program = "import barkclient.__main__, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_table_is_printed_if_report_cannot_be_written(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--concurrency 1 --count 1 --warmup 0 --json /dev/full"
    assert await command.inside("bench", *options.split()) == 1
    stdout, stderr = capsys.readouterr()
    assert "1 at once" in stdout
    last = "barkclient: cannot write /dev/full: No space left on device"
    assert stderr.splitlines()[-1] == last
