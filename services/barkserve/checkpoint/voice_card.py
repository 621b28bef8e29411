"""The description of a voice: name, language and a text."""

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
    """The description of a voice that has a name.

    Attributes:
        name: the name in requests.
        language: a BCP 47 code; empty if unknown.
        description: a text, or empty.
        stored: whether a client created the voice; else it belongs to the checkpoint.
    """

    name: str
    language: str = ""
    description: str = ""
    stored: bool = False

    def speaks(self, language: str) -> bool:
        """Return whether a voice has a language; "en" includes "en-US", and "" includes all."""
        own, wanted = self.language.lower(), language.lower()
        return not wanted or own == wanted or own.startswith(wanted + "-")


def preset_card(name: str) -> VoiceCard:
    """Describe a checkpoint's voice by its name, if it follows Suno's naming scheme."""
    if name == _ANNOUNCER:
        return VoiceCard(name, "en", "Suno's announcer, English")
    preset = _PRESET.fullmatch(name)
    if preset is None or preset[1] not in _LANGUAGES:
        return VoiceCard(name)
    return VoiceCard(name, preset[1], f"{_LANGUAGES[preset[1]]}, speaker {preset[2]}")
