"""Warnings about the way that a segment was spoken."""

from collections.abc import Sequence

from barkserve.orchestrator.synthesis.events import SegmentEnded
from barkserve.orchestrator.synthesis.utterance import Utterance
from barkserve.orchestrator.text.unknown_language import unknown_language
from barkserve.orchestrator.text.warnings import Warnings
from barkserve.v1 import common_pb2, speech_pb2


def warn_about(
    event: SegmentEnded, languages: Sequence[str], longest: int, warnings: Warnings
) -> None:
    """Warn if a segment is in another language, met a limit, lost characters or was drawn again.

    Args:
        event: the segment.
        languages: BCP 47 codes of what the checkpoint speaks; empty if unknown.
        longest: most semantic tokens of one generation.
        warnings: gets the warnings.
    """
    segment = event.utterance.segment
    span = segment.start, segment.end
    language = event.utterance.plan.request.language_code
    if found := unknown_language(segment.text, language, languages):
        place = segment.span(found.start, found.end)
        warnings.add(speech_pb2.WARNING_CODE_LANGUAGE, found.message, place)
    for start, end in event.spoken.skipped:
        warnings.skipped(segment.text[start:end], segment.span(start, end))
    if event.finish_reason == common_pb2.FINISH_REASON_LENGTH:
        message = _limit(event.utterance, len(event.spoken.semantic), longest)
        warnings.add(speech_pb2.WARNING_CODE_LENGTH_LIMIT, message, span)
    if event.finish_reason == common_pb2.FINISH_REASON_SILENCE:
        message = "a segment is silent: try another seed, or raise tail.max_redraws"
        warnings.add(speech_pb2.WARNING_CODE_TEXT_SKIPPED, message, span)
    if event.utterance.redraw:
        message = "a segment was drawn again with another seed, as tail.max_redraws allows"
        warnings.add(speech_pb2.WARNING_CODE_REDRAWN, message, span)


def _limit(utterance: Utterance, token_count: int, longest: int) -> str:
    """Say which limit a segment of so many semantic tokens met, and what to do."""
    if utterance.max_tail_tokens and token_count < (utterance.max_tokens or longest):
        return "the speech went on after the end of a segment, and was cut: try another seed"
    limit, remedy = "the longest speech of one generation", "write shorter sentences"
    if utterance.max_tokens == utterance.plan.request.semantic.max_tokens != 0:
        limit, remedy = "semantic.max_tokens", "raise it"
    elif utterance.max_tokens:
        limit = "the duration that its characters allow"
        remedy = "raise tail.max_seconds_per_character"
    return f"a segment reached {limit}, and its end may be missing: {remedy}, or try another seed"
