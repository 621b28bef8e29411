"""The body of ElevenLabs' text-to-speech requests."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from barkclient.options import SynthesisOptions
from barkserve.gateway.elevenlabs.output_format import OutputFormat
from barkserve.gateway.errors import HttpFailure
from barkserve.gateway.speed import speaking_rate


class VoiceSettings(BaseModel):
    """How to speak. The other settings of ElevenLabs have no effect."""

    model_config = ConfigDict(extra="allow")

    speed: float | None = Field(None, description="0.5 (slow) to 2, at the same pitch.")

    @property
    def ignored(self) -> tuple[str, ...]:
        """The settings that were given and have no effect."""
        given = (self.model_extra or {}).items()
        return tuple(f"voice_settings.{name}" for name, value in given if value is not None)

    @property
    def speaking_rate(self) -> float:
        """The speaking rate. Raises HttpFailure if it is out of range."""
        speed = 1.0 if self.speed is None else self.speed
        return speaking_rate(speed, "voice_settings.speed")


class Pronunciations(BaseModel):
    """How words are read. Requests and the first message of a WebSocket's context have it.

    ElevenLabs' dictionaries are stored at ElevenLabs. `lexicon` has the rules themselves.
    """

    model_config = ConfigDict(extra="allow")

    lexicon: dict[str, str] = Field(
        {}, description='barkserve\'s own. Spellings of words: {"SQL": "sequel"}.'
    )
    pronunciation_dictionary_locators: list[Any] | None = Field(
        None, description="Refused unless it is empty: use lexicon, or the server's --lexicon."
    )

    def readings(self) -> dict[str, str]:
        """The readings of words. Raises HttpFailure if they are in a dictionary of ElevenLabs."""
        if self.pronunciation_dictionary_locators:
            raise HttpFailure(
                400,
                "pronunciation_dictionary_not_supported",
                "pronunciation_dictionary_locators: this server has no such dictionaries. "
                'Send the rules as "lexicon": {"SQL": "sequel"}, or give the server --lexicon',
            )
        return self.lexicon


class TextToSpeechRequest(Pronunciations):
    """What to speak. Fields that are not here have no effect."""

    text: str = Field(description="The text, up to the server's limit of characters.")
    language_code: str | None = Field(None, description="ISO 639-1 or BCP 47 code of the text.")
    seed: int | None = Field(None, ge=0, description="The same seed, the same audio.")
    voice_settings: VoiceSettings | None = None

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields that were given and have no effect."""
        names = tuple(name for name in self.model_extra or {} if name != "model_id")
        return names + (self.voice_settings.ignored if self.voice_settings else ())

    def options(
        self, voice: str, output: OutputFormat, request_id: str, word_times: bool
    ) -> SynthesisOptions:
        """The options of the synthesis.

        Raises:
            HttpFailure: the speed is out of range, or a dictionary of ElevenLabs is named.
        """
        settings = self.voice_settings or VoiceSettings(speed=None)
        return SynthesisOptions(
            voice=voice,
            encoding=output.encoding,
            sample_rate=output.sample_rate,
            request_id=request_id,
            seed=self.seed,
            language=self.language_code or "",
            word_times=word_times,
            lexicon=self.readings(),
            speaking_rate=settings.speaking_rate,
        )
