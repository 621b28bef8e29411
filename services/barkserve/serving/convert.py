"""Validates request messages and converts them to arrays and options. The same for all stages."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import SamplingDefaults
from barkserve.checkpoint_revision import wanted_revision
from barkserve.engine.request import SamplingParams
from barkserve.errors import IdleTimeout, InvalidArgument, OtherCheckpoint
from barkserve.serving.rpc_context import RpcContext
from barkserve.speaking_rate import checked_speaking_rate
from barkserve.v1 import common_pb2

Request = TypeVar("Request", bound=Message)

MAX_TEMPERATURE = 10.0
MAX_TOP_K = 100_000


def sampling_params(
    message: common_pb2.Sampling, defaults: SamplingDefaults, min_eos_p: float | None = None
) -> SamplingParams:
    """Return the sampling options of a request.

    Args:
        message: the request's options. Absent fields take the defaults.
        defaults: the checkpoint's options.
        min_eos_p: probability at which the end-of-sequence token ends the utterance. None for
            models without that token.

    Raises:
        InvalidArgument: an option is out of range.
    """
    has = message.HasField
    temperature = message.temperature if has("temperature") else defaults.temperature
    top_k = message.top_k if has("top_k") else defaults.top_k
    top_p = message.top_p if has("top_p") else defaults.top_p
    # A request with a sampling option asks for sampling, also where the checkpoint is greedy.
    sampled = has("temperature") or has("top_k") or has("top_p")
    greedy = message.greedy if has("greedy") else defaults.greedy and not sampled
    require(
        0 < temperature <= MAX_TEMPERATURE,
        "sampling.temperature",
        f"must be above 0 and at most {MAX_TEMPERATURE:g}",
    )
    require(0 <= top_k <= MAX_TOP_K, "sampling.top_k", f"must be 0 (all) to {MAX_TOP_K}")
    require(0 < top_p <= 1, "sampling.top_p", "must be above 0 and at most 1 (no limit)")
    if min_eos_p is not None:
        require(0 < min_eos_p < 1, "min_eos_p", "must be above 0 and below 1")
    return SamplingParams(temperature, top_k, top_p, greedy, min_eos_p)


def require(condition: bool, field: str, description: str) -> None:
    """Raise InvalidArgument if a condition is false. Comparisons with NaN are false."""
    if not condition:
        raise InvalidArgument(field, description)


def require_seed(seed: int) -> int:
    """Return the seed. Raises InvalidArgument if it is negative."""
    require(seed >= 0, "seed", "must be 0 to 2^63 - 1")
    return seed


def speaking_rate(requested: float) -> float:
    """Return the speaking rate; 0 means 1. Raises InvalidArgument if it is out of range."""
    return checked_speaking_rate(requested or 1.0)


def tokens(values: Sequence[int], limit: int, field: str) -> NDArray[np.int64]:
    """Convert the tokens of a message.

    Args:
        values: the tokens.
        limit: tokens must be below this.
        field: their field path, for the error.

    Returns:
        (n,) int64.

    Raises:
        InvalidArgument: a token is out of range.
    """
    array = np.array(values, dtype=np.int64)
    if len(array) and not (array.min() >= 0 and array.max() < limit):
        raise InvalidArgument(
            field, f"must be 0 to {limit - 1}, found {array.min()} to {array.max()}"
        )
    return array


def frames(values: Sequence[int], books: int, limit: int, field: str) -> NDArray[np.int64]:
    """Convert the codes of a message, sent frame by frame.

    Args:
        values: the codes.
        books: number of codebooks, which is the number of codes per frame.
        limit: codes must be below this.
        field: their field path, for the error.

    Returns:
        (n, books) int64.

    Raises:
        InvalidArgument: a code is out of range, or the last frame is incomplete.
    """
    array = tokens(values, limit, field)
    if len(array) % books:
        raise InvalidArgument(
            field, f"must hold whole frames of {books} codes, found {len(array)} codes"
        )
    return array.reshape(-1, books)


async def admit(context: RpcContext, checkpoint_revision: str) -> None:
    """Tell the client that its stream is admitted.

    The client sends its requests only then. grpc.aio does not report the status of a call that ends
    while a request is being written.

    Args:
        context: of the call.
        checkpoint_revision: of this stage; empty accepts all callers.

    Raises:
        OtherCheckpoint: the client wants another one, as in the middle of a rollout.
    """
    wanted = wanted_revision(context.invocation_metadata() or ())
    if checkpoint_revision and wanted and wanted != checkpoint_revision:
        raise OtherCheckpoint(
            f"this replica has revision {checkpoint_revision} of the checkpoint, and the "
            f"orchestrator {wanted}: give both the same --checkpoint"
        )
    await context.send_initial_metadata(())


async def next_request(
    requests: AsyncIterator[Request], kind: str, example: str, limit_s: float
) -> Request:
    """Read the next request, which must be of one kind.

    Args:
        requests: the client's requests.
        kind: the expected field of the `request` oneof.
        example: what the client should have sent, for the error.
        limit_s: time to wait for the request; 0 for no limit.

    Raises:
        InvalidArgument: the request is of another kind, or the client sent none.
        IdleTimeout: no request came in time.
    """
    try:
        async with asyncio.timeout(limit_s or None):
            request = await anext(requests, None)
    except TimeoutError:
        raise IdleTimeout(
            f"{example} did not come within {limit_s:g} s: send it as soon as the stream is "
            "accepted, or raise --first-message-seconds"
        ) from None
    if request is not None and request.WhichOneof("request") == kind:
        return request
    raise InvalidArgument(kind, f"{example} must be sent before anything else")


async def further_requests(
    requests: AsyncIterator[Request], kind: str, limit_s: float
) -> AsyncIterator[Request]:
    """Read all further requests, which must be of one kind.

    Args:
        requests: the client's requests.
        kind: the expected field of the `request` oneof.
        limit_s: time to wait for each request; 0 for no limit. It counts only while a reader waits.

    Raises:
        InvalidArgument: a request is of another kind.
        IdleTimeout: a request did not come in time.
    """
    while True:
        try:
            async with asyncio.timeout(limit_s or None):
                request = await anext(requests, None)
        except TimeoutError:
            raise IdleTimeout(
                f"no {kind} came within {limit_s:g} s: end the input of a stream that needs no "
                "more, or raise --input-idle-seconds"
            ) from None
        if request is None:
            return
        if request.WhichOneof("request") != kind:
            raise InvalidArgument(
                str(request.WhichOneof("request")), f"only {kind} may follow the config"
            )
        yield request


def milliseconds(seconds: float) -> float:
    """Convert seconds to milliseconds, rounded to a microsecond."""
    return math.floor(seconds * 1e6 + 0.5) / 1e3
