"""The result of a synthesis: one line to read, or one line of JSON."""

import json
from dataclasses import asdict
from typing import Any

from barkclient.cli.meter import Meter
from barkclient.client import Synthesis
from barkclient.responses import Finished
from barkclient.voices import VoiceHandle


def name_of(output: str | None) -> str:
    """Name an output in messages."""
    return {"-": "standard output", None: "played"}.get(output, str(output))


def human_summary(synthesis: Synthesis, meter: Meter, file: str | None) -> str:
    """Summarize a successful synthesis in one line."""
    started, finished = synthesis.started, synthesis.finished
    parts = [
        f"{name_of(file)}: {meter.audio_seconds:.2f} s of audio",
        f"first audio after {meter.ttfa_ms:.0f} ms",
        "" if meter.rtf is None else f"real-time factor {meter.rtf:.2f}",
        f"seed {started.seed}",
        f"voice {started.voice}",
        f"finish reason {finished.finish_reason}",
        f"voice kept as {finished.voice_handle}" if finished.voice_handle else "",
    ]
    return ", ".join(part for part in parts if part)


def json_summary(
    synthesis: Synthesis, meter: Meter, file: str | None, error: BaseException | None
) -> str:
    """Summarize a synthesis that has started, as one line of JSON.

    Args:
        synthesis: the synthesis.
        meter: its measurements.
        file: the output.
        error: what ended the synthesis early, if anything.
    """
    started = synthesis.started
    finished = None if error else synthesis.finished
    return json.dumps(
        {
            "file": file,
            "finish_reason": finished.finish_reason if finished else _failure_reason(error),
            "error": None if error is None else str(error) or "interrupted",
            "ttfa_ms": round(meter.ttfa_ms, 3),
            "rtf": None if meter.rtf is None else round(meter.rtf, 4),
            "audio_seconds": meter.audio_seconds,
            "samples": meter.samples,
            "sample_rate": started.sample_rate,
            "chunks": meter.chunks,
            "seed": started.seed,
            "voice": started.voice,
            "request_id": started.request_id,
            "model": started.model,
            "model_revision": started.model_revision,
            "encoding": started.encoding,
            "voice_handle": _handle(finished.voice_handle if finished else None),
            "voice_handle_error": finished.voice_handle_error if finished else "",
            "segments": _segments(finished),
            "warnings": [asdict(warning) for warning in (finished.warnings if finished else ())],
            "stages": _stages(finished),
        }
    )


def _failure_reason(error: BaseException | None) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _handle(handle: VoiceHandle | None) -> str | None:
    return None if handle is None else str(handle)


def _segments(finished: Finished | None) -> list[dict[str, Any]]:
    return [asdict(segment) for segment in (finished.segments if finished else ())]


def _stages(finished: Finished | None) -> dict[str, dict[str, float]]:
    return {
        report.stage: {
            "outputs": report.output_count,
            "queue_ms": report.queue_ms,
            "compute_ms": report.compute_ms,
            "first_output_ms": report.first_output_ms,
            "last_output_ms": report.last_output_ms,
        }
        for report in (finished.stages if finished else ())
    }
