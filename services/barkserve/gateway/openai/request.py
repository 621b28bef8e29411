"""The body of POST /v1/audio/speech."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from barkclient.options import Delivery, Encoding, SynthesisOptions, TextFormat
from barkserve.gateway.speed import speaking_rate

FormatName = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class VoiceId(BaseModel):
    """A voice by its id, the newer form of `voice`."""

    id: str


class SpeechRequest(BaseModel):
    """What to speak, and how.

    The fields above `seed` are OpenAI's. The others are barkserve's own.
    """

    model_config = ConfigDict(extra="allow")

    input: str = Field(description="The text, up to the server's limit of characters.")
    model: str = Field("tts-1", description="A name from GET /v1/models.")
    voice: str | VoiceId | None = Field(
        None, description="A name from GET /v1/audio/voices, or one of OpenAI's names."
    )
    response_format: FormatName = "mp3"
    speed: float = Field(1.0, description="0.5 (slow) to 2, at the same pitch.")
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: str | None = Field(None, description="Ignored; a response header says so.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="The same seed, the same audio.")
    language: str = Field("", description="BCP 47 code of the text; empty: the voice's language.")
    text_format: TextFormat = Field("auto", description="auto: ssml after <speak>, else markdown.")
    delivery: Delivery = Field("streaming", description="exact starts later.")
    lexicon: dict[str, str] = Field({}, description='Spellings of words: {"SQL": "sequel"}.')
    sample_rate: int = Field(0, description="Samples per second; 0: the model's, 24000.")

    @property
    def voice_name(self) -> str | None:
        """The name of the voice, in either form."""
        return self.voice.id if isinstance(self.voice, VoiceId) else self.voice

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields that were given and have no effect."""
        given = ("instructions",) if self.instructions else ()
        return (*given, *(self.model_extra or {}))

    def options(self, voice: str | None, encoding: Encoding, request_id: str) -> SynthesisOptions:
        """The options of the synthesis.

        Args:
            voice: the name of a voice of the server; None for its default.
            encoding: the encoding to ask the orchestrator for.
            request_id: the id of the request.

        Raises:
            HttpFailure: the speed is out of range.
        """
        return SynthesisOptions(
            voice=voice,
            encoding=encoding,
            request_id=request_id,
            seed=self.seed,
            language=self.language,
            text_format=self.text_format,
            delivery=self.delivery,
            lexicon=self.lexicon,
            sample_rate=self.sample_rate,
            speaking_rate=speaking_rate(self.speed, "speed"),
        )
