"""Collects the warnings of one synthesis for its final message."""

from barkserve.v1 import speech_pb2

MAX_WARNINGS = 100
MAX_SHOWN = 40
"""Most characters of the text in a message."""


class Warnings:
    """What the listener may miss, each kind of problem once. Made for one synthesis."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], speech_pb2.SpeechWarning] = {}

    def add(
        self, code: speech_pb2.WarningCode, message: str, span: tuple[int, int] | None = None
    ) -> None:
        """Add a warning, unless the same one was added or there are too many.

        Args:
            code: the kind of problem.
            message: what happened and what to do next; names fields as the protos do.
            span: the place in the client's text, first and last + 1 code point; None for all of it.
        """
        key = int(code), message
        if key in self._found or len(self._found) >= MAX_WARNINGS:
            return
        place = None if span is None else speech_pb2.TextSpan(start=span[0], end=span[1])
        self._found[key] = speech_pb2.SpeechWarning(code=code, message=message, text_span=place)

    def skipped(self, text: str, span: tuple[int, int]) -> None:
        """Add a warning about text that was passed over."""
        shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
        self.add(
            speech_pb2.WARNING_CODE_TEXT_SKIPPED,
            f"passed over, because this checkpoint cannot speak it: {shown}",
            span,
        )

    def messages(self) -> list[speech_pb2.SpeechWarning]:
        """All warnings so far, in the order of their discovery."""
        return list(self._found.values())
