"""What is known of a voice beside its tokens: name, language, what it is. Knows no files."""

import re
from dataclasses import dataclass

_PRESET = re.compile(r"(?:.*/)?([a-z]{2,3})_speaker_(\d+)")
_ANNOUNCER = "announcer"
_LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "zh": "Chinese",
}


@dataclass(frozen=True)
class VoiceCard:
    """A voice that can be named.

    Attributes:
        name: what requests call it.
        language: a BCP 47 code, "" if it is not known.
        description: in words, may be "".
        stored: whether it was created; else it belongs to the checkpoint.
    """

    name: str
    language: str = ""
    description: str = ""
    stored: bool = False

    def speaks(self, language: str) -> bool:
        """Whether it is of that language: "en" takes "en-US" in, "" takes all."""
        own, wanted = self.language.lower(), language.lower()
        return not wanted or own == wanted or own.startswith(wanted + "-")


def preset_card(name: str) -> VoiceCard:
    """The card of a checkpoint's voice, as far as Suno's way of naming tells it."""
    if name == _ANNOUNCER:
        return VoiceCard(name, "en", "Suno's announcer, English")
    preset = _PRESET.fullmatch(name)
    if preset is None or preset[1] not in _LANGUAGES:
        return VoiceCard(name)
    return VoiceCard(name, preset[1], f"{_LANGUAGES[preset[1]]}, speaker {preset[2]}")
