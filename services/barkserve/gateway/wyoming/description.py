"""Describes the server to Wyoming clients: the answer to `describe`."""

from collections.abc import Sequence

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from barkclient import AsyncClient, ServerInfo, Voice

_ATTRIBUTION = Attribution("barkserve", "https://github.com/barkserve/barkserve")
_NO_VOICE = Voice("none", description="No voice: a new speaker for each text")
_UNKNOWN_LANGUAGE = "en"  # Home Assistant hides voices without a language


async def describe(client: AsyncClient) -> Info:
    """Describe the voices of the server, the default one first.

    Raises:
        BarkClientError: the server did not answer.
    """
    server = await client.server_info()
    voices = await client.voices() or [_NO_VOICE]
    voices.sort(key=lambda voice: not voice.is_default)
    program = TtsProgram(
        name="barkserve",
        description=f"Bark text-to-speech ({server.model})",
        attribution=_ATTRIBUTION,
        installed=True,
        version=server.version,
        voices=[_voice(voice, server) for voice in voices],
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program])


def _voice(voice: Voice, server: ServerInfo) -> TtsVoice:
    languages: Sequence[str] = (voice.language,) if voice.language else server.languages
    return TtsVoice(
        name=voice.name,
        description=voice.description or voice.name,
        attribution=_ATTRIBUTION,
        installed=True,
        version=server.version,
        languages=list(languages) or [_UNKNOWN_LANGUAGE],
    )
