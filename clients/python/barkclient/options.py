"""What can be asked of a synthesis, and the request that asks it. Knows no connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from barkclient.errors import InvalidRequest
from barkclient.voices import VoiceLike, voice_selection
from barkserve.v1 import common_pb2, speech_pb2

Delivery = Literal["streaming", "exact"]
Encoding = Literal["pcm16", "float32"]

SAMPLE_BYTES: Mapping[Encoding, int] = {"pcm16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a network's next token is drawn; None is the checkpoint's own default."""

    temperature: float | None = None  # above 0, at most 10
    top_k: int | None = None  # 0: among all
    top_p: float | None = None  # above 0, at most 1
    greedy: bool | None = None  # the most likely token always


@dataclass(frozen=True, kw_only=True)
class SemanticOptions(Sampling):
    """Options of the semantic network: pace, intonation, wording of sounds."""

    min_eos_p: float | None = None  # probability of the end above which the utterance ends at once
    max_tokens: int | None = None  # 1 to 768, 49.9 a second


@dataclass(frozen=True, kw_only=True)
class FineOptions(Sampling):
    """Options of the fine network, which uses only `temperature` and `greedy` of the sampling."""

    lookahead_frames: int | None = (
        None  # frames of 1/75 s seen ahead before one is spoken, 0 to 512
    )


class SynthesisOptions(TypedDict, total=False):
    """The keywords of `synthesize`."""

    voice: VoiceLike  # a name, "none", an .npz file or the tokens; None: the server's default
    seed: int | None  # the same seed, the same audio; None: the server draws one
    greedy: bool  # every network takes its most likely token
    delivery: Delivery  # "exact" equals offline generation, and starts later
    encoding: Encoding
    request_id: str  # in the server's logs and in `started`; empty: the server makes one
    return_voice: bool  # `finished.voice` then continues this utterance
    semantic: SemanticOptions
    coarse: Sampling
    fine: FineOptions


def build_request(
    text: str,
    *,
    voice: VoiceLike = None,
    seed: int | None = None,
    greedy: bool = False,
    delivery: Delivery = "streaming",
    encoding: Encoding = "pcm16",
    request_id: str = "",
    return_voice: bool = False,
    semantic: SemanticOptions = SemanticOptions(),
    coarse: Sampling = Sampling(),
    fine: FineOptions = FineOptions(),
) -> speech_pb2.SynthesizeRequest:
    """The request for one synthesis; what is seen to be wrong here raises InvalidRequest here."""
    _check_choice("delivery", delivery, get_args(Delivery))
    _check_choice("encoding", encoding, get_args(Encoding))
    try:
        return speech_pb2.SynthesizeRequest(
            text=text,
            voice=voice_selection(voice),
            audio_format=speech_pb2.AudioFormat(encoding=f"AUDIO_ENCODING_{encoding.upper()}"),
            seed=seed,
            delivery_mode=f"DELIVERY_MODE_{delivery.upper()}",
            greedy=greedy,
            semantic=speech_pb2.SemanticOptions(
                sampling=_sampling(semantic),
                min_eos_p=semantic.min_eos_p,
                max_tokens=semantic.max_tokens,
            ),
            coarse=speech_pb2.CoarseOptions(sampling=_sampling(coarse)),
            fine=speech_pb2.FineOptions(
                sampling=_sampling(fine), lookahead_frames=fine.lookahead_frames
            ),
            request_id=request_id,
            return_voice=return_voice,
        )
    except ValueError as error:  # protobuf's: a number beyond 64 bits, text that is not Unicode
        raise InvalidRequest(f"the request cannot be encoded: {error}") from error


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRequest.of_field(field, f"{value!r} is not one of {', '.join(choices)}")


def _sampling(sampling: Sampling) -> common_pb2.Sampling:
    message = common_pb2.Sampling(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
    )
    if sampling.greedy is not None:
        message.greedy = sampling.greedy
    return message
