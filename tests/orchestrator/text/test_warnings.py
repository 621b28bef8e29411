"""The collector of warnings."""

from barkserve.orchestrator.text.warnings import MAX_WARNINGS, Warnings
from barkserve.v1 import speech_pb2

LIMIT, SKIPPED = speech_pb2.WARNING_CODE_LENGTH_LIMIT, speech_pb2.WARNING_CODE_TEXT_SKIPPED


def test_warnings_keep_the_first_place_of_each() -> None:
    warnings = Warnings()
    warnings.add(LIMIT, "too long", (3, 5))
    warnings.add(LIMIT, "too long", (8, 9))
    warnings.add(SKIPPED, "passed over")
    first, second = warnings.messages()
    assert (first.text_span.start, first.text_span.end) == (3, 5)
    assert (second.code, second.message, second.HasField("text_span")) == (
        SKIPPED,
        "passed over",
        False,
    )


def test_warnings_are_bounded() -> None:
    warnings = Warnings()
    for number in range(2 * MAX_WARNINGS):
        warnings.add(SKIPPED, f"number {number}")
    assert [each.message for each in warnings.messages()] == [
        f"number {number}" for number in range(MAX_WARNINGS)
    ]
