"""The warnings of a speech, in responses that have room for them after the audio."""

from dataclasses import asdict

from barkclient.responses import Finished


def warnings_field(finished: Finished) -> dict[str, object]:
    """The field `warnings`, a list of code, message, text_start and text_end; none without any."""
    warnings = [asdict(warning) for warning in finished.warnings]
    return {"warnings": warnings} if warnings else {}
