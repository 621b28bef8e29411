"""Draws a real trace: `python -m tools.trace_waterfall docs/trace.svg`.

It runs `barkserve up`, speaks one sentence through the gateway, receives the spans, and draws each
as a bar.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from fixtures.otlp_receiver import ReceivedSpan, receiving_traces
from fixtures.processes import free_port

_SPEAK = """
import json, sys, urllib.request
body = json.dumps({"model": "tts-1", "input": sys.argv[2], "voice": "alloy"}).encode()
headers = {"content-type": "application/json"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, headers)).read()
"""
_TEXT = "Traces show where the time goes."
_MOST_OF_A_KIND = 4
_ROW, _LEFT, _WIDTH, _TOP = 17, 330, 640, 24
_COLORS = {
    "gateway": "#6b7280", "orchestrator": "#2563eb", "semantic": "#059669",
    "coarse": "#d97706", "fine": "#db2777", "codec": "#7c3aed",
}  # fmt: skip


def main() -> None:
    """Write the picture to the file that is named on the command line."""
    Path(sys.argv[1]).write_text(drawn(list(_rows(_traced()))))


def _traced() -> list[ReceivedSpan]:
    """The spans of one request to a server with the bundled model."""
    port = free_port()
    with receiving_traces() as receiver:
        words = [sys.executable, "-m", "barkserve", "up", "--port=0", "--metrics-port=0"]
        words += ["--wyoming-port=0", f"--http-port={port}", f"--otlp-endpoint={receiver.endpoint}"]
        url = f"http://127.0.0.1:{port}/v1/audio/speech"
        subprocess.run([*words, "--", sys.executable, "-c", _SPEAK, url, _TEXT], check=True)
        (root,) = (span for span in receiver.spans() if span.name.startswith("POST "))
        return receiver.spans(root.trace_id)


def _rows(
    spans: Sequence[ReceivedSpan], parent: ReceivedSpan | None = None, depth: int = 0
) -> Iterator[tuple[int, ReceivedSpan]]:
    """The spans below one in the order of their starts, at most a few of each kind."""
    shown: dict[str, int] = {}
    for span in spans:
        if span.parent is parent:
            shown[span.name] = shown.get(span.name, 0) + 1
            if shown[span.name] <= _MOST_OF_A_KIND:
                yield depth, span
                yield from _rows(spans, span, depth + 1)


def drawn(rows: Sequence[tuple[int, ReceivedSpan]]) -> str:
    """The rows as SVG: the names on the left, the bars on a common scale on the right."""
    first = min(span.start_ns for _, span in rows)
    scale = _WIDTH / (max(span.end_ns for _, span in rows) - first)
    height = _TOP + _ROW * len(rows) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 70} {height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    x = 8
    for service, color in _COLORS.items():
        parts.append(f'<rect x="{x}" y="6" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{x + 14}" y="15">{service}</text>')
        x += 100
    for index, (depth, span) in enumerate(rows):
        y = _TOP + _ROW * index
        left = _LEFT + (span.start_ns - first) * scale
        width = max(1.0, (span.end_ns - span.start_ns) * scale)
        color = _COLORS[span.service.removeprefix("barkserve-")]
        took = f"{(span.end_ns - span.start_ns) / 1e6:.1f} ms"
        name = escape(span.name.removeprefix("barkserve.v1."))
        parts.append(f'<text x="{8 + 12 * depth}" y="{y + 12}">{name}</text>')
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 3}" width="{width:.1f}" height="11" fill="{color}"/>'
        )
        parts.append(f'<text x="{left + width + 4:.1f}" y="{y + 12}" fill="#555">{took}</text>')
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    main()
