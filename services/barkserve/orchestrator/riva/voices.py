"""Voices under Riva's names: one Riva voice, "Bark", with the voices of a language as subvoices."""

import logging
from collections import defaultdict

from barkserve.checkpoint.voice_card import VoiceCard, preset_card
from barkserve.constants import NO_VOICE
from barkserve.errors import BarkserveError
from barkserve.orchestrator.voices.catalog import VoiceCatalog

_log = logging.getLogger(__name__)

RIVA_VOICE = "Bark"
_NVIDIA_PREFIX = "Magpie-Multilingual."
"""Prefix of the voices of NVIDIA's own model. Plugins built on Riva's client send such a name if
their user did not choose a voice."""
_DEFAULT_LANGUAGE = "en"  # for voices without a language, which Riva's clients cannot show
_LANGUAGE_CODES = {
    "de": "de-DE",
    "en": "en-US",
    "es": "es-US",
    "fr": "fr-FR",
    "hi": "hi-IN",
    "it": "it-IT",
    "ja": "ja-JP",
    "ko": "ko-KR",
    "pl": "pl-PL",
    "pt": "pt-BR",
    "ru": "ru-RU",
    "tr": "tr-TR",
    "zh": "zh-CN",
}
"""The code with a region that Riva's clients send for a language."""


class RivaVoices:
    """Lists voices and resolves their names.

    Args:
        catalog: all voices.
        model: the name of the checkpoint.
        default: the name of the default voice.
    """

    def __init__(self, catalog: VoiceCatalog, model: str, default: str) -> None:
        self.model = model
        self._catalog = catalog
        self._default = default

    async def parameters(self) -> list[dict[str, str]]:
        """Return Riva's description of the model, one entry for each language.

        Never fails: Riva's clients would not start.
        """
        voices = defaultdict(list)
        for card in await self._cards():
            language = card.language or _DEFAULT_LANGUAGE
            voices[_LANGUAGE_CODES.get(language, language)].append(card.name)
        return [
            {
                "language_code": language,
                "voice_name": RIVA_VOICE,
                "subvoices": ",".join(f"{name}:{index}" for index, name in enumerate(names)),
            }
            for language, names in sorted(voices.items())
        ]

    async def resolve_name(self, requested: str, language: str) -> str:
        """Return the catalog's name of a requested voice.

        Args:
            requested: a name of the catalog, with or without "Bark." before it. If it is empty or
                a voice of NVIDIA's model, the language selects the voice.
            language: the request's language, a BCP 47 code or empty.
        """
        name = requested.removeprefix(f"{RIVA_VOICE}.")
        if requested.startswith(_NVIDIA_PREFIX):
            name = ""
        if name or not language or self._default == NO_VOICE:
            return name or self._default
        primary = language.split("-")[0]
        if (await self._catalog.card(self._default)).speaks(primary):
            return self._default
        cards = await self._catalog.cards(primary)
        return cards[0].name if cards else self._default

    async def _cards(self) -> list[VoiceCard]:
        try:
            cards = await self._catalog.cards()
        except BarkserveError as error:
            _log.warning("cannot list all voices, only the default one: %s", error)
            cards = []
        return cards or [preset_card(self._default)]
