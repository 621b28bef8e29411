"""One utterance through the three stages that draw: each stage's responses, as they come, are the
next stage's requests.

Every stage is an async iterator over the one before it, so reading frames pulls the whole chain,
and a reader who stops reading stops it. A stage begins once the same stage is done with the
utterance before, whose tokens are its history. Knows messages; knows no audio encodings, no voices
by name, and not which replica answers.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.constants import StageName
from barkserve.orchestrator.stages.call import Method, StageCall
from barkserve.orchestrator.stages.pool import StagePool
from barkserve.orchestrator.stages.replay import Replay
from barkserve.orchestrator.stages.retry import RetryPolicy
from barkserve.orchestrator.synthesis.history import (
    History,
    HistorySizes,
    HistoryStage,
    extend_history,
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

Pools = Mapping[StageName, StagePool]

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class StageClients:
    """What all utterances have in common.

    Attributes:
        pools: the replicas of each stage.
        config: the checkpoint's.
    """

    pools: Pools
    config: BarkConfig

    @property
    def sizes(self) -> HistorySizes:
        """How much each stage remembers."""
        return HistorySizes.of(self.config)


class Pipeline:
    """One utterance on its way. Made for one use; `close` ends all its calls.

    Args:
        chain: the stages.
        utterance: what to speak.
        before: what the stages remember.
        patience: until when to wait for them.

    Attributes:
        spoken: what has been said so far.
        after: what the stages will remember.
    """

    def __init__(
        self, chain: StageClients, utterance: Utterance, before: History, patience: RetryPolicy
    ) -> None:
        self.utterance = utterance
        self.spoken = Spoken()
        self.after = History()
        self._chain = chain
        self._before = before
        self._patience = patience
        self._sizes = chain.sizes.tokens
        self._closers: list[Callable[[], None]] = []
        self._semantic = Replay(self._semantic_tokens())
        self._coarse = Replay(self._coarse_codes())
        self._fine = Replay(self._fine_codes())

    def start(self) -> None:
        """Begin, as far as the utterance before is done, without a reader."""
        for replay in (self._semantic, self._coarse, self._fine):
            replay.start()

    def frames(self) -> AsyncIterator[Sequence[int]]:
        """Yields codes of all codebooks, frame by frame, as the fine stage makes them.

        Raises:
            BarkserveError: what the first stage that failed said.
        """
        return self._fine.read()

    @property
    def complete(self) -> "asyncio.Future[Sequence[int]]":
        """Done once all frames are there, or with what the first stage that failed said."""
        return self.after.known("fine")

    @property
    def frame_count(self) -> int:
        """Frames that are there."""
        return len(self.spoken.fine) // self._chain.config.fine_generation.n_fine_codebooks

    def close(self) -> None:
        """Cancel whatever is still running in any stage."""
        while self._closers:  # what a call knows holds this pipeline: none is kept
            self._closers.pop()()
        for replay in (self._semantic, self._coarse, self._fine):
            replay.close()
        self.after.close()

    async def _semantic_tokens(self) -> AsyncIterator[Sequence[int]]:
        history = await self._before.of("semantic")
        request = semantic_pb2.SemanticServiceGenerateRequest

        async def requests() -> AsyncIterator[semantic_pb2.SemanticServiceGenerateRequest]:
            self.spoken.characters.clear()  # a replica that goes on tells all of them
            config = semantic_config(self.utterance, history, self.spoken.semantic)
            yield request(config=config)
            yield request(text=self.utterance.segment.text)

        try:
            async for response in self._stage(
                "semantic",
                lambda channel: semantic_pb2_grpc.SemanticServiceStub(channel).Generate,
                requests,
            ):
                if response.HasField("finished"):
                    self.spoken.reports["semantic"] = response.finished.report
                    self.spoken.finish_reason = response.finished.finish_reason
                    continue
                self.spoken.semantic.extend(response.tokens.tokens)
                self.spoken.characters.extend(response.tokens.characters)
                if response.tokens.tokens:
                    yield response.tokens.tokens
        except Exception as error:
            self.after.fail("semantic", error)
            raise
        self._know("semantic", history, self.spoken.semantic)

    async def _coarse_codes(self) -> AsyncIterator[Sequence[int]]:
        """Frame by frame."""
        semantic_history = await self._before.of("semantic")
        history = await self._before.of("coarse")
        request = coarse_pb2.CoarseServiceGenerateRequest

        async def requests() -> AsyncIterator[coarse_pb2.CoarseServiceGenerateRequest]:
            produced = self.spoken.coarse
            yield request(config=coarse_config(self.utterance, semantic_history, history, produced))
            async for tokens in self._semantic.read():
                yield request(semantic=coarse_pb2.SemanticInput(tokens=tokens))

        async for response in self._stage(
            "coarse", lambda channel: coarse_pb2_grpc.CoarseServiceStub(channel).Generate, requests
        ):
            if response.HasField("finished"):
                self.spoken.reports["coarse"] = response.finished.report
                continue
            self.spoken.coarse.extend(response.frames.codes)
            yield response.frames.codes
        size = self._chain.config.codebook_size
        self._know("coarse", history, [code % size for code in self.spoken.coarse])

    async def _fine_codes(self) -> AsyncIterator[Sequence[int]]:
        """Frame by frame."""
        history = await self._before.of("fine")
        request = fine_pb2.FineServiceGenerateRequest

        async def requests() -> AsyncIterator[fine_pb2.FineServiceGenerateRequest]:
            yield request(config=fine_config(self.utterance, history, self.spoken.fine))
            async for codes in self._coarse.read():
                yield request(coarse=fine_pb2.CoarseInput(codes=codes))

        try:
            async for response in self._stage(
                "fine", lambda channel: fine_pb2_grpc.FineServiceStub(channel).Generate, requests
            ):
                if response.HasField("finished"):
                    self.spoken.reports["fine"] = response.finished.report
                    continue
                self.spoken.fine.extend(response.frames.codes)
                yield response.frames.codes
        except Exception as error:
            self.after.fail("fine", error)
            raise
        self._know("fine", history, self.spoken.fine)

    def _know(self, stage: HistoryStage, history: Sequence[int], own: Sequence[int]) -> None:
        self.after.know(stage, extend_history(history, own, self._sizes[stage]))

    def _stage(
        self,
        stage: HistoryStage,
        method: Method[Request, Response],
        requests: Callable[[], AsyncIterator[Request]],
    ) -> AsyncGenerator[Response, None]:
        """The responses of one stage.

        Args:
            stage: which.
            method: the stage's RPC.
            requests: makes all requests anew, as of now, when a replica is replaced.
        """
        call = StageCall(self._chain.pools[stage], method, requests, self._patience)
        self._closers.append(call.close)
        return call.responses()
