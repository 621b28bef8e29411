"""Turns what is spoken into the messages of one text or context, and keeps count of it. Knows
nothing of calls."""

from collections import deque
from collections.abc import Iterator

from barkserve.bark_config import BarkConfig
from barkserve.constants import STAGES
from barkserve.orchestrator.audio import encode
from barkserve.orchestrator.events import Flushed, PieceEnded, PieceSamples, SpeechEvent
from barkserve.orchestrator.plan import Plan
from barkserve.orchestrator.text.segmenter import Piece
from barkserve.orchestrator.utterance import Spoken
from barkserve.orchestrator.voice_selection import continuing_voice
from barkserve.v1 import common_pb2, speech_pb2

MAX_PIECE_REPORTS = 1000
VOICE_FRAMES = 750
"""A voice that continues a long speech is made of its last pieces, 10 s or a little more."""

Message = (
    speech_pb2.SynthesisStarted
    | speech_pb2.AudioChunk
    | speech_pb2.WordTimes
    | speech_pb2.FlushDone
    | speech_pb2.SynthesisFinished
)


class Delivery:
    """The messages of one text or context."""

    def __init__(self, plan: Plan, config: BarkConfig) -> None:
        self._plan = plan
        self._config = config
        self._pieces: deque[speech_pb2.PieceReport] = deque(maxlen=MAX_PIECE_REPORTS)
        self._piece_first_sample = 0
        self._reports = {stage: common_pb2.StageReport(stage=stage) for stage in STAGES}
        self._last: deque[Spoken] = deque()
        self._reason: common_pb2.FinishReason = common_pb2.FINISH_REASON_STOP
        self.sample_count = 0  # of the messages made so far

    def messages(self, event: SpeechEvent) -> Iterator[Message]:
        """The messages that an event is worth, maybe none."""
        match event:
            case PieceSamples(utterance, _, samples):
                yield speech_pb2.AudioChunk(
                    audio=encode(samples, self._plan.encoding),
                    first_sample=self.sample_count,
                    sample_count=len(samples),
                    text_span=_span(utterance.piece),
                )
                self.sample_count += len(samples)
            case PieceEnded():
                self._note(event)
            case Flushed(flush_id):
                yield speech_pb2.FlushDone(flush_id=flush_id)

    def finished(self, *, cancelled: bool = False) -> speech_pb2.SynthesisFinished:
        """The last message."""
        voice = self.continuing_voice() if self._plan.request.return_voice else None
        return speech_pb2.SynthesisFinished(
            finish_reason=common_pb2.FINISH_REASON_CANCELLED if cancelled else self._reason,
            sample_count=self.sample_count,
            stages=self._reports.values(),
            voice=voice,
            pieces=self._pieces,
        )

    def continuing_voice(self) -> common_pb2.HistoryPrompt:
        """The voice that goes on where the last piece ended."""
        return continuing_voice(self._last, self._config)

    def _note(self, event: PieceEnded) -> None:
        """Count a piece that has been spoken."""
        utterance, spoken = event.utterance, event.spoken
        report = speech_pb2.PieceReport(
            text_span=_span(utterance.piece),
            finish_reason=spoken.finish_reason,
            first_sample=self._piece_first_sample,
            sample_count=self.sample_count - self._piece_first_sample,
            seed=utterance.seed,
        )
        self._pieces.append(report)
        self._piece_first_sample = self.sample_count
        if spoken.finish_reason != common_pb2.FINISH_REASON_STOP:
            self._reason = spoken.finish_reason
        for stage, total in self._reports.items():
            total.output_count += spoken.reports[stage].output_count
            total.queue_ms += spoken.reports[stage].queue_ms
            total.compute_ms += spoken.reports[stage].compute_ms
        self._keep(spoken)

    def _keep(self, spoken: Spoken) -> None:
        """Keep the last pieces, as many as make a voice."""
        self._last.append(spoken)
        books = self._config.fine_generation.n_fine_codebooks
        frames = sum(len(each.fine) for each in self._last) // books
        while len(self._last) > 1 and frames - len(self._last[0].fine) // books >= VOICE_FRAMES:
            frames -= len(self._last.popleft().fine) // books


def _span(piece: Piece) -> speech_pb2.TextSpan:
    return speech_pb2.TextSpan(start=piece.start, end=piece.end)
