"""Log lines: their format, and the id of the request that they belong to."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from barkserve.config.stages import CodecOptions
from barkserve.constants import STAGES
from barkserve.engine.batch import Batch, Integers
from barkserve.engine.batcher import Batcher
from barkserve.engine.engine import Engine
from barkserve.engine.limits import Limits
from barkserve.engine.request import Request, SamplingParams
from barkserve.errors import ModelExecutionFailed
from barkserve.request_id import RequestIds, begin_request, current_request_id, running_for
from barkserve.serving.logs import chosen_format, set_up_logging
from barkserve.v1 import speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.services import running_chain

_SPEAK = """
import barkclient, os
with barkclient.Client(os.environ["BARKCLIENT_SERVER"]) as client:
    synthesis = client.synthesize("hello the world", voice="none", request_id="call 7\\n")
    assert sum(len(chunk.samples()) for chunk in synthesis) > 0
    assert synthesis.started.request_id == "call 7\\n"
"""
_LINE = re.compile(r"[\d-]+ [\d:,]+ (?P<service>\w+) (?P<level>[A-Z]+) (?P<rest>.*)")


@contextmanager
def logging_to_stderr(log_format: str = "text") -> Iterator[None]:
    """What a service does at its start, for the root logger of this process."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        set_up_logging("codec", CodecOptions(log_format=log_format), "debug")
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def test_every_service_logs_the_request_id(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    words = [sys.executable, "-m", "barkserve", "up", f"--checkpoint={checkpoint_of(TINY)}"]
    words += ["--port=0", "--metrics-port=0", "--http-port=0", "--threads=1", "--log-level=debug"]
    words += ["--log-format=text"]
    words += ["--", sys.executable, "-c", _SPEAK]
    result = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    found = filter(None, map(_LINE.fullmatch, result.stderr.splitlines()))
    lines = [(line["service"], line["rest"]) for line in found]
    calls = {
        "orchestrator": "Synthesize",
        "semantic": "Generate",
        "coarse": "Generate",
        "fine": "Generate",
        "codec": "Decode",
    }
    assert set(calls) == {*STAGES, "orchestrator"}
    for service, method in calls.items():
        (line,) = (rest for name, rest in lines if name == service and f"/{method} " in rest)
        assert line.startswith("request_id=call%207%0A "), line
        assert "ended with OK" in line


def test_text_line_shows_id_only_inside_requests(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to_stderr():
        log = logging.getLogger("barkserve.test")
        log.info("loads")
        with running_for([RequestIds("a"), RequestIds(), RequestIds("b")]):
            log.warning("slow")
        log.info("ends")
    lines = [line.split(" ", 2)[2] for line in capfd.readouterr().err.splitlines()]
    assert lines == ["codec INFO loads", "codec WARNING request_id=a,b slow", "codec INFO ends"]


def test_json_line_holds_message_id_and_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to_stderr("json"), running_for([RequestIds("a", "4bf9")]):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("barkserve.test").exception("failed %s", "twice\nover")
    (line,) = capfd.readouterr().err.splitlines()
    fields = json.loads(line)
    assert "ValueError: two\nlines" in fields.pop("exception")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields.pop("time"))
    assert fields == {
        "service": "codec", "level": "ERROR", "logger": "barkserve.test",
        "request_id": "a", "trace_id": "4bf9",
        "message": "failed twice\nover",
    }  # fmt: skip


def test_format_is_text_on_a_terminal_only() -> None:
    terminal = io.StringIO()
    assert chosen_format("auto", terminal) == "json"
    terminal.isatty = lambda: True
    assert chosen_format("auto", terminal) == "text"
    assert chosen_format("json", terminal) == "json"


@pytest.mark.parametrize("log_text", [False, True])
async def test_line_of_a_request_holds_its_text_only_if_asked(
    log_text: bool,
    checkpoint_of: Callable[[CheckpointSpec], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "barkserve.orchestrator.session")
    async with running_chain(checkpoint_of(TINY), log_text=log_text) as chain:
        request = speech_pb2.SynthesizeRequest(text="hello the world", seed=1)
        assert [response async for response in chain.speech.Synthesize(request)]
    (fields,) = (record.fields for record in caplog.records if hasattr(record, "fields"))
    assert fields.get("text") == ("hello the world" if log_text else None)
    assert fields["tokens"]["semantic"] > 0
    assert fields["replicas"]["codec"] == [chain.services["codec"].address]


async def test_request_id_is_one_word() -> None:
    for given, shown in [
        ("call-7", "call-7"),
        ("a b\r\nc", "a%20b%0D%0Ac"),
        ("ünï", "%C3%BCn%C3%AF"),
        ("50%", "50%"),
        ("x" * 200, "x" * 128),
    ]:
        begin_request(given)
        assert current_request_id() == shown
        begin_request(shown)  # as a stage does
        assert current_request_id() == shown
    begin_request()
    assert re.fullmatch("[0-9a-f]{32}", current_request_id())


class FailingRunner:
    """A model whose steps log a line and fail."""

    limits = Limits(4)

    def launch(self, batch: Batch, proceed: Callable[[], bool]) -> None:
        logging.getLogger("barkserve.test").warning("in the model thread")
        raise ValueError("no model")

    def collect(self, flight: None) -> Integers:
        raise AssertionError("nothing was launched")


async def test_failed_step_logs_the_ids_of_its_requests(
    capfd: pytest.CaptureFixture[str],
) -> None:
    prompt, draws = np.zeros((1, 1), np.int64), np.zeros(1, np.float32)
    engine = Engine(FailingRunner())
    await engine.start()
    begin_request("mine")
    with logging_to_stderr(), pytest.raises(ModelExecutionFailed):
        async for _ in engine.generate(Request(prompt, 1, SamplingParams(), draws)):
            pass
    await engine.stop()
    _check_both_lines(capfd.readouterr().err, "a batch of 1 requests failed")


async def test_failed_batch_logs_the_ids_of_its_jobs(capfd: pytest.CaptureFixture[str]) -> None:
    def run(jobs: list[int]) -> list[int]:
        logging.getLogger("barkserve.test").warning("in the model thread")
        raise ValueError("no model")

    batcher = Batcher(run, 4)
    await batcher.start()
    begin_request("mine")
    with logging_to_stderr(), pytest.raises(ModelExecutionFailed):
        await batcher.submit("key", 1)
    await batcher.stop()
    _check_both_lines(capfd.readouterr().err, "a batch of 1 jobs failed")


def _check_both_lines(log: str, failure: str) -> None:
    assert "codec WARNING request_id=mine in the model thread\n" in log
    assert f"codec ERROR request_id=mine {failure}\n" in log
