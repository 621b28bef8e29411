"""The body of ElevenLabs' text-to-speech requests."""

from pydantic import BaseModel, ConfigDict, Field

from barkclient.options import SynthesisOptions
from barkserve.gateway.elevenlabs.output_format import OutputFormat


class TextToSpeechRequest(BaseModel):
    """What to speak. Fields that are not here, such as voice_settings, have no effect."""

    model_config = ConfigDict(extra="allow")

    text: str = Field(description="The text, up to the server's limit of characters.")
    language_code: str | None = Field(None, description="ISO 639-1 or BCP 47 code of the text.")
    seed: int | None = Field(None, ge=0, description="The same seed, the same audio.")

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields that were given and have no effect."""
        return tuple(name for name in self.model_extra or {} if name != "model_id")

    def options(
        self, voice: str, output: OutputFormat, request_id: str, word_times: bool
    ) -> SynthesisOptions:
        """The options of the synthesis."""
        return SynthesisOptions(
            voice=voice,
            encoding=output.encoding,
            sample_rate=output.sample_rate,
            request_id=request_id,
            seed=self.seed,
            language=self.language_code or "",
            word_times=word_times,
        )
