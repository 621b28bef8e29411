"""Texts of a benchmark: short and long sentences of a voice assistant."""

from collections.abc import Sequence
from pathlib import Path

from barkclient.errors import InvalidRequest

SENTENCES: Sequence[str] = (
    "Good morning, how can I help you today?",
    "Your order left our warehouse this morning and should arrive on Thursday before noon.",
    "I did not quite catch that.",
    "The next train to the airport leaves from platform nine in about twelve minutes.",
    "It will be mostly sunny, with a light wind from the west and a little rain after sunset.",
    "Please hold the line while I look that up for you.",
    "Turn left at the second light, then follow the river until you see the old stone bridge.",
    "Yes, of course.",
    "I have moved your appointment to Friday at ten, and sent the new invitation to everyone.",
    "Thank you for calling, and have a wonderful evening.",
)


def read_texts(path: str | None) -> Sequence[str]:
    """Read the texts of a file, one per line. Empty lines are skipped.

    Args:
        path: the file; None: ten built-in sentences.

    Raises:
        InvalidRequest: the file cannot be read or has no text.
    """
    if path is None:
        return SENTENCES
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise InvalidRequest(f"{path} has no text: write one text per line")
    return texts
