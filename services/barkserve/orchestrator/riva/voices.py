"""Our voices by Riva's names: a language's voices are subvoices of one voice, "Bark"."""

import logging
from collections import defaultdict

from barkserve.checkpoint.voice_card import VoiceCard, preset_card
from barkserve.constants import NO_VOICE
from barkserve.errors import BarkserveError
from barkserve.orchestrator.voices.catalog import VoiceCatalog

_log = logging.getLogger(__name__)

FAMILY = "Bark"
_NOT_CHOSEN = "Magpie-Multilingual."
"""Behind it come the voices of NVIDIA's own model: what the plugins that are built on Riva's client
ask for where nobody has chosen a voice."""
_ANY_LANGUAGE = "en"  # Riva's clients know no voice without a language
_REGIONS = {
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
"""The code by which Riva's clients ask for a language."""


class RivaVoices:
    """Lists voices and finds them.

    Args:
        catalog: the voices.
        model: the checkpoint's name.
        default: name of the voice of requests that name none.
    """

    def __init__(self, catalog: VoiceCatalog, model: str, default: str) -> None:
        self.model = model
        self._catalog = catalog
        self._default = default

    async def parameters(self) -> list[dict[str, str]]:
        """What Riva says of a model, for each language. Never fails: clients would not start."""
        voices = defaultdict(list)
        for card in await self._cards():
            voices[_REGIONS.get(card.language or _ANY_LANGUAGE, card.language)].append(card.name)
        return [
            {
                "language_code": language,
                "voice_name": FAMILY,
                "subvoices": ",".join(f"{name}:{index}" for index, name in enumerate(names)),
            }
            for language, names in sorted(voices.items())
        ]

    async def name_of(self, asked: str, language: str) -> str:
        """Our name of the voice that a request asks for: by our name, behind "Bark." or not, or by
        its language alone, as do those that no voice was chosen for.
        """
        name = "" if asked.startswith(_NOT_CHOSEN) else asked.removeprefix(f"{FAMILY}.")
        if name or not language or self._default == NO_VOICE:
            return name or self._default
        spoken = language.split("-")[0]
        if (await self._catalog.card(self._default)).speaks(spoken):
            return self._default
        cards = await self._catalog.cards(spoken)
        return cards[0].name if cards else self._default

    async def _cards(self) -> list[VoiceCard]:
        try:
            cards = await self._catalog.cards()
        except BarkserveError as error:
            _log.warning("only the default voice is listed: %s", error)
            cards = []
        return cards or [preset_card(self._default)]
