"""What a run measures: the device, the shape of the models, and how much work."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.report import spec_of
from benchmarks.stages.worker import Part, Work
from fixtures.checkpoints import SUNO_SHAPED, CheckpointSpec

SECONDS_OF_AUDIO = 10.0
_TOKENS = 499  # semantic tokens of that time
_TINY_SECONDS = 1.2
_TINY_TOKENS = 60


@dataclass(frozen=True)
class Settings:
    """Settings of a section. They travel to its process as JSON.

    Attributes:
        device: value of --device.
        shape: small or large: the shapes of suno/bark-small or suno/bark.
        work: folder of the random checkpoints.
        tiny: small models and little work, to try the program without a GPU.
        options: further options of the stages, such as attention.
    """

    device: str
    shape: str
    work: str
    tiny: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the checkpoint."""
        return Path(self.work) / ("tiny" if self.tiny else self.shape)

    @property
    def spec(self) -> CheckpointSpec:
        """The checkpoint: every utterance of it has the same length."""
        if self.tiny:
            tiny = replace(SUNO_SHAPED, layers=2, heads=2, hidden=64)
            return replace(tiny, eos_after=self.tokens, eos_spread=0)
        return replace(spec_of(self.shape), eos_after=self.tokens, eos_spread=0)

    @property
    def dtype(self) -> str:
        """The dtype to measure speed in."""
        return "float32" if self.device == "cpu" else "float16"

    @property
    def seconds(self) -> float:
        """Seconds of audio in an utterance."""
        return _TINY_SECONDS if self.tiny else SECONDS_OF_AUDIO

    @property
    def tokens(self) -> int:
        """Semantic tokens in an utterance."""
        return _TINY_TOKENS if self.tiny else _TOKENS

    @property
    def streams(self) -> tuple[int, ...]:
        """Numbers of streams at once."""
        return (1, 2) if self.tiny else (1, 4, 16, 64)

    @property
    def batch(self) -> int:
        """Streams at once that transformers computes too, as a batch."""
        return 2 if self.tiny else 16

    @property
    def case(self) -> dict[str, str]:
        """What all cases of this run have in common."""
        return {"shape": "tiny" if self.tiny else self.shape, "device": self.device}

    def stage_options(self, dtype: str | None = None) -> dict[str, str | int]:
        """Return the options of a stage."""
        one_thread: dict[str, str | int] = {"threads": 1} if self.tiny else {}
        return {"device": self.device, "dtype": dtype or self.dtype, **one_thread, **self.options}

    def work_of(
        self, part: Part, streams: int, dtype: str | None = None, deterministic: str | None = None
    ) -> Work:
        """Return the work of one part: an utterance with a voice, sampled."""
        options = self.stage_options(dtype)
        if deterministic is not None:
            options["deterministic"] = deterministic
        return Work(str(self.folder), part, self.tokens, self.seconds, streams, True, True, options)

    def to_json(self) -> str:
        """Render the settings for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Settings":
        """Parse what `to_json` rendered."""
        return cls(**json.loads(text))
