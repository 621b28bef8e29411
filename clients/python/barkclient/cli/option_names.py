"""Names of request fields on the command line, for errors about them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from barkclient.errors import BarkClientError, InvalidRequest, ServerError

_OPTIONS = {
    "audio_format.sample_rate_hertz": "--rate",
    "audio_format.gain_db": "--gain",
    "speaking_rate": "--speaking-rate",
    "audio_format.chunk_ms": "--chunk-ms",
    "audio_format.encoding": "--format",
    "tail.max_redraws": "--redraws",
    "tail.max_silence_seconds": "--max-silence",
    "tail.max_seconds_per_character": "--max-seconds-per-character",
    "semantic.sampling.temperature": "--semantic-temperature",
    "coarse.sampling.temperature": "--coarse-temperature",
    "fine.sampling.temperature": "--fine-temperature",
    "semantic.sampling.top_k": "--top-k",
    "coarse.sampling.top_k": "--top-k",
    "semantic.sampling.top_p": "--top-p",
    "coarse.sampling.top_p": "--top-p",
    "semantic.min_eos_p": "--min-eos-p",
    "language_code": "--language",
    "text_format": "--text-format",
    "lexicon": "--pronounce",
    "seed": "--seed",
}
"""By field, as the server names it."""


@contextmanager
def naming_options(voice: str | None) -> Iterator[None]:
    """Name the options in errors about fields of a request.

    Args:
        voice: what was given with --voice. It replaces the field of a voice's tokens.
    """
    names = _OPTIONS | {"voice.npz": f"--voice {voice}".replace("\\", r"\\")}
    try:
        yield
    except (InvalidRequest, ServerError) as error:
        raise _with_message(error, _renamed(str(error), names)) from error


def with_option_names(message: str) -> str:
    """Replace the fields in a message by the options of the command line."""
    return _renamed(message, _OPTIONS)


def _renamed(message: str, names: Mapping[str, str]) -> str:
    for field, option in names.items():
        message = re.sub(rf"(?<![\w.]){re.escape(field)}(?=[:, ]|$)", option, message)
    return message


def _with_message(error: BarkClientError, message: str) -> BarkClientError:
    if isinstance(error, InvalidRequest):
        renamed: BarkClientError = InvalidRequest(message, error.violations)
    else:
        renamed = type(error)(message)
    for note in getattr(error, "__notes__", []):
        renamed.add_note(note)
    return renamed
