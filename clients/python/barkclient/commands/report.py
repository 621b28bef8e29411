"""How a synthesis went, in a line for a person and in a line for a script."""

import json

from barkclient.client import Synthesis
from barkclient.commands.meter import Meter
from barkclient.responses import Finished


def human_summary(synthesis: Synthesis, meter: Meter, file: str) -> str:
    """The line for a person, after a synthesis that went well."""
    started, finished = synthesis.started, synthesis.finished
    parts = [
        f"{file}: {meter.audio_seconds:.2f} s of audio",
        f"first after {meter.ttfa_ms:.0f} ms",
        "" if meter.rtf is None else f"real-time factor {meter.rtf:.2f}",
        f"seed {started.seed}",
        f"voice {started.voice}",
        f"finish reason {finished.finish_reason}",
        "the end of the text may be missing" if finished.finish_reason == "length" else "",
    ]
    return ", ".join(part for part in parts if part)


def json_summary(synthesis: Synthesis, meter: Meter, file: str, error: BaseException | None) -> str:
    """The line for a script, after any audio came: `error` is what broke it off."""
    started = synthesis.started
    finished = None if error else synthesis.finished
    return json.dumps(
        {
            "file": file,
            "finish_reason": finished.finish_reason if finished else _broken_off(error),
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
            "stages": _stages(finished),
        }
    )


def _broken_off(error: BaseException | None) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _stages(finished: Finished | None) -> dict[str, dict[str, float]]:
    return {
        report.stage: {
            "outputs": report.output_count,
            "queue_ms": report.queue_ms,
            "compute_ms": report.compute_ms,
        }
        for report in (finished.stages if finished else ())
    }
