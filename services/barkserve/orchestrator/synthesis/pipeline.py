"""One utterance through the semantic, coarse and fine stages.

Each stage's responses become the next stage's requests as they arrive. Every stage is an async
iterator over the previous one, so reading frames pulls all stages, and a reader that stops stops
them. A stage starts once the same stage has finished the previous utterance, whose tokens are its
history. Knows messages; knows no audio formats, no voice names and no replicas.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import StageName
from barkserve.orchestrator.stages.call import Method, StageCall
from barkserve.orchestrator.stages.call_observer import CallObserver, NoObserver
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.replay import Replay
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.history import (
    History,
    HistoryStage,
    extend_history,
    history_sizes,
)
from barkserve.orchestrator.synthesis.stage_requests import (
    coarse_config,
    fine_config,
    semantic_config,
)
from barkserve.orchestrator.synthesis.utterance import Spoken, Utterance
from barkserve.v1 import (
    coarse_pb2,
    coarse_pb2_grpc,
    fine_pb2,
    fine_pb2_grpc,
    semantic_pb2,
    semantic_pb2_grpc,
)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class StageClients:
    """What all utterances share.

    Attributes:
        pools: the replicas of each stage.
        config: the checkpoint's.
        observer: is told which replicas serve the calls.
    """

    pools: Mapping[StageName, StagePool]
    config: BarkConfig
    observer: CallObserver = field(default_factory=NoObserver)


class Pipeline:
    """Generates one utterance's frames. Made for one use; `close` ends all its calls.

    Args:
        stages: the replicas of each stage.
        utterance: what to speak.
        history: the tokens before it.
        retry_policy: how long to wait for replicas without room.

    Attributes:
        utterance: what is spoken.
        spoken: what the stages have produced so far.
        next_history: the tokens up to the end of this utterance.
    """

    def __init__(
        self,
        stages: StageClients,
        utterance: Utterance,
        history: History,
        retry_policy: RetryPolicy,
    ) -> None:
        self.utterance = utterance
        self.spoken = Spoken()
        self.next_history = History()
        self._stages = stages
        self._history = history
        self._retry_policy = retry_policy
        self._history_sizes = history_sizes(stages.config)
        self._closers: list[Callable[[], None]] = []
        self._semantic = Replay(self._semantic_tokens())
        self._coarse = Replay(self._coarse_codes())
        self._fine = Replay(self._fine_codes())

    def start(self) -> None:
        """Start each stage as soon as its history is known, without waiting for a reader."""
        for replay in (self._semantic, self._coarse, self._fine):
            replay.start()

    def frames(self) -> AsyncIterator[Sequence[int]]:
        """Yield codes of all codebooks, frame by frame, as the fine stage makes them.

        Raises:
            BarkserveError: the error of the first stage that failed.
        """
        return self._fine.read()

    @property
    def complete(self) -> "asyncio.Future[Sequence[int]]":
        """Done once all frames are known; has the error of the first stage that failed."""
        return self.next_history.future("fine")

    @property
    def codes(self) -> Sequence[int]:
        """Codes of all codebooks, frame by frame, of the frames known so far."""
        return self.spoken.fine

    @property
    def frame_count(self) -> int:
        """Frames known so far."""
        return len(self.spoken.fine) // self._stages.config.fine_generation.n_fine_codebooks

    def close(self) -> None:
        """Cancel the calls that are still running."""
        while self._closers:  # emptied, because a call refers to this pipeline
            self._closers.pop()()
        for replay in (self._semantic, self._coarse, self._fine):
            replay.close()
        self.next_history.close()

    async def _semantic_tokens(self) -> AsyncIterator[Sequence[int]]:
        history = await self._history.get("semantic")
        request = semantic_pb2.SemanticServiceGenerateRequest
        reading, word_times = self.utterance.reading, self.utterance.plan.request.word_times

        async def requests() -> AsyncIterator[semantic_pb2.SemanticServiceGenerateRequest]:
            self.spoken.characters.clear()  # a replica that takes over sends all of them again
            config = semantic_config(self.utterance, history, self.spoken.semantic)
            yield request(config=config)
            yield request(text=reading.text)

        try:
            async for response in self._responses(
                "semantic",
                lambda channel: semantic_pb2_grpc.SemanticServiceStub(channel).Generate,
                requests,
            ):
                if response.HasField("finished"):
                    self.spoken.reports["semantic"] = response.finished.report
                    self.spoken.finish_reason = response.finished.finish_reason
                    self.spoken.skipped = [
                        (reading.position(e.start), reading.position(e.end - 1) + 1)
                        for e in response.finished.skipped
                    ]
                    continue
                self._arrived("semantic")
                self.spoken.semantic.extend(response.tokens.tokens)
                if word_times:  # otherwise the alignment only finds the end
                    self.spoken.characters += map(reading.position, response.tokens.characters)
                if response.tokens.tokens:
                    yield response.tokens.tokens
        except Exception as error:
            self.next_history.fail("semantic", error)
            raise
        self._finish("semantic", history, self.spoken.semantic)

    async def _coarse_codes(self) -> AsyncIterator[Sequence[int]]:
        """Codes of the coarse codebooks, frame by frame."""
        semantic_history = await self._history.get("semantic")
        history = await self._history.get("coarse")
        request = coarse_pb2.CoarseServiceGenerateRequest

        async def requests() -> AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest]:
            produced = self.spoken.coarse
            yield request(config=coarse_config(self.utterance, semantic_history, history, produced))
            async for tokens in self._semantic.read():
                yield request(semantic=coarse_pb2.SemanticInput(tokens=tokens))

        async for response in self._responses(
            "coarse", lambda channel: coarse_pb2_grpc.CoarseServiceStub(channel).Generate, requests
        ):
            if response.HasField("finished"):
                self.spoken.reports["coarse"] = response.finished.report
                continue
            self._arrived("coarse")
            self.spoken.coarse.extend(response.frames.codes)
            yield response.frames.codes
        size = self._stages.config.codebook_size
        self._finish("coarse", history, [code % size for code in self.spoken.coarse])

    async def _fine_codes(self) -> AsyncIterator[Sequence[int]]:
        """Codes of all codebooks, frame by frame."""
        history = await self._history.get("fine")
        request = fine_pb2.FineServiceGenerateRequest

        async def requests() -> AsyncIterator[fine_pb2.FineServiceGenerateRequest]:
            yield request(config=fine_config(self.utterance, history, self.spoken.fine))
            async for codes in self._coarse.read():
                yield request(coarse=fine_pb2.CoarseInput(codes=codes))

        try:
            async for response in self._responses(
                "fine", lambda channel: fine_pb2_grpc.FineServiceStub(channel).Generate, requests
            ):
                if response.HasField("finished"):
                    self.spoken.reports["fine"] = response.finished.report
                    continue
                self._arrived("fine")
                self.spoken.fine.extend(response.frames.codes)
                yield response.frames.codes
        except Exception as error:
            self.next_history.fail("fine", error)
            raise
        self._finish("fine", history, self.spoken.fine)

    def _arrived(self, stage: HistoryStage) -> None:
        self.spoken.arrived(stage, asyncio.get_running_loop().time())

    def _finish(self, stage: HistoryStage, history: Sequence[int], own: Sequence[int]) -> None:
        extended = extend_history(history, own, self._history_sizes[stage])
        self.next_history.set(stage, extended)

    def _responses(
        self,
        stage: HistoryStage,
        method: Method[Request, Response],
        requests: Callable[[], AsyncIterator[Request]],
    ) -> AsyncGenerator[Response, None]:
        """Call a stage; returns its responses.

        Args:
            stage: which.
            method: looks up the stage's RPC.
            requests: makes all requests anew, as of now, when a replica is replaced.
        """
        call = StageCall(
            self._stages.pools[stage],
            method,
            requests,
            self._retry_policy,
            self._stages.observer,
        )
        self._closers.append(call.close)
        return call.responses()
