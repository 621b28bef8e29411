"""An application with OpenTelemetry: barkclient passes its trace on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.otlp_receiver import receiving_traces
from tests.support.snippets import snippets

_SHOWN = """
    context = trace.get_current_span().get_span_context()
    print("SPAN", format(context.trace_id, "032x"), format(context.span_id, "016x"))
"""


def test_documented_application_is_the_parent(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    (program,) = (
        each.text
        for each in snippets()
        if (each.page, each.language) == ("docs/observability.md", "python")
    )
    program = program.replace('"localhost:50051"', '__import__("os").environ["BARKCLIENT_SERVER"]')
    with receiving_traces() as receiver:
        words = [sys.executable, "-m", "barkserve", "up", f"--checkpoint={checkpoint_of(TINY)}"]
        words += ["--port=0", "--metrics-port=0", "--wyoming-port=0", "--http-port=0"]
        words += ["--threads=1", f"--otlp-endpoint={receiver.endpoint}"]
        words += ["--", sys.executable, "-c", program + _SHOWN]
        result = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        (line,) = (each for each in result.stdout.splitlines() if each.startswith("SPAN"))
        _, trace_id, span_id = line.split()
        (rpc,) = (each for each in receiver.spans(trace_id) if each.name.endswith("/Synthesize"))
    assert rpc.parent_id == span_id
