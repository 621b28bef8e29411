"""OpenAI's voice names, as names of voices that this server has."""

from collections.abc import Mapping, Sequence

from barkclient import AsyncClient, Voice
from barkserve.errors import StartupError

OPENAI_VOICES = (
    *("alloy", "echo", "fable", "onyx", "nova", "shimmer"),
    *("ash", "ballad", "cedar", "coral", "marin", "sage", "verse"),
)
"""The names that clients of the OpenAI API offer. LiveKit's default is ash, and Pipecat accepts no
others."""


class VoiceAliases:
    """Chooses a voice for each of OpenAI's names.

    Args:
        chosen: the operator's choice: names of voices by OpenAI's names. The others take the
            server's voices in turn, in alphabetical order.
    """

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self._chosen = dict(chosen)

    @classmethod
    def from_option(cls, text: str) -> "VoiceAliases":
        """Read --openai-voices: "alloy=v2/en_speaker_6,nova=v2/en_speaker_9".

        Raises:
            StartupError: the text has another form.
        """
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        for name, equals, voice in pairs:
            if not (name.strip() and equals and voice.strip()):
                raise StartupError(
                    f"--openai-voices: {text!r} is not NAME=VOICE,NAME=VOICE,..., for example "
                    "alloy=v2/en_speaker_6,nova=v2/en_speaker_9"
                )
        return cls({name.strip(): voice.strip() for name, _, voice in pairs})

    async def resolve(self, name: str, client: AsyncClient) -> str:
        """Return the voice for a name. Other names than the aliases are voices already."""
        if name in self._chosen:
            return self._chosen[name]
        if name not in OPENAI_VOICES:
            return name
        return _in_turn(name, await client.voices())


def _in_turn(name: str, voices: Sequence[Voice]) -> str:
    names = [voice.name for voice in voices]
    if name in names or not names:
        return name if name in names else "none"
    return names[OPENAI_VOICES.index(name) % len(names)]
