"""What can be asked of a synthesis, and the request that asks it. Knows no connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, get_args

from barkclient.errors import InvalidRequest
from barkclient.voices import VoiceLike, voice_selection
from barkserve.v1 import common_pb2, speech_pb2

Delivery = Literal["streaming", "exact"]
Encoding = Literal["pcm16", "float32", "mulaw", "alaw", "wav", "flac", "ogg_opus", "mp3"]

SAMPLE_BYTES: Mapping[Encoding, int] = {"pcm16": 2, "float32": 4, "mulaw": 1, "alaw": 1}
"""Bytes of a sample, for the encodings whose bytes are nothing but samples."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a model's next token is drawn; None is the checkpoint's own default."""

    temperature: float | None = None  # above 0, at most 10
    top_k: int | None = None  # 0: among all
    top_p: float | None = None  # above 0, at most 1
    greedy: bool | None = None  # the most likely token always


@dataclass(frozen=True, kw_only=True)
class SemanticOptions(Sampling):
    """Options of the semantic model: pace, intonation, wording of sounds."""

    min_eos_p: float | None = None  # probability of the end above which the utterance ends at once
    max_tokens: int | None = None  # 1 to 768, 49.9 a second


@dataclass(frozen=True, kw_only=True)
class FineOptions(Sampling):
    """Options of the fine model, which uses only `temperature` and `greedy` of the sampling."""

    lookahead_frames: int | None = (
        None  # frames of 1/75 s seen ahead before one is spoken, 0 to 512
    )


@dataclass(frozen=True, kw_only=True)
class TailOptions:
    """What to do about speech that goes on behind the end of a segment; None is the server's own."""

    max_seconds_per_character: float | None = None  # on top of 2 s; 0 for no limit, at most 10
    max_silence_s: float | None = None  # silence that is kept at the end of a segment, 0 to 10
    max_redraws: int = 0  # other seeds tried for a segment that failed, 0 to 3; only "exact" can


class SynthesisOptions(TypedDict, total=False):
    """The keywords of `synthesize`."""

    voice: VoiceLike  # a name, "none", a handle, an .npz file or the tokens; None: the default
    seed: int | None  # the same seed, the same audio; None: the server draws one
    greedy: bool  # every model takes its most likely token
    delivery: Delivery  # "exact" equals offline generation, and starts later
    encoding: Encoding
    sample_rate: int  # 8000 to 48000; 0: the checkpoint's
    first_chunk_ms: int | None  # of audio in the first chunk; None: as soon as there is any
    chunk_ms: int | None  # of audio in later chunks, 20 to 5000; None: as they are made
    gain_db: float  # -40 to 40
    limit_peaks: bool  # a limiter in place of clipping what the gain lifts too high
    language: str  # a BCP 47 code, for finding sentence ends; empty: the voice's
    word_times: bool  # `words` then tells when each word is spoken
    tail: TailOptions | None
    request_id: str  # in the server's logs and in `started`; empty: the server makes one
    return_voice: bool  # `finished.voice` then continues this speech
    keep_voice: bool  # `finished.voice_handle` then names such a voice, kept on the server
    semantic: SemanticOptions
    coarse: Sampling
    fine: FineOptions


class StreamOptions(SynthesisOptions, total=False):
    """The keywords of text that is spoken while it is written."""

    max_delay_ms: int | None  # that text may wait for its sentence to end while nothing is heard


def build_config(
    *, max_delay_ms: int | None = None, **options: Unpack[SynthesisOptions]
) -> speech_pb2.StreamingConfig:
    """The message that opens a context; errors as in build_request."""
    try:
        return speech_pb2.StreamingConfig(
            options=build_request("", **options), max_delay_ms=max_delay_ms
        )
    except ValueError as error:
        raise InvalidRequest.of_field("max_delay_ms", str(error)) from error


def build_request(
    text: str,
    *,
    voice: VoiceLike = None,
    seed: int | None = None,
    greedy: bool = False,
    delivery: Delivery = "streaming",
    encoding: Encoding = "pcm16",
    sample_rate: int = 0,
    first_chunk_ms: int | None = None,
    chunk_ms: int | None = None,
    gain_db: float = 0.0,
    limit_peaks: bool = False,
    language: str = "",
    word_times: bool = False,
    tail: TailOptions | None = None,
    request_id: str = "",
    return_voice: bool = False,
    keep_voice: bool = False,
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
            audio_format=speech_pb2.AudioFormat(
                encoding=f"AUDIO_ENCODING_{encoding.upper()}",
                sample_rate_hertz=sample_rate,
                first_chunk_ms=first_chunk_ms,
                chunk_ms=chunk_ms,
                gain_db=gain_db,
                limit_peaks=limit_peaks,
            ),
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
            keep_voice=keep_voice,
            language_code=language,
            word_times=word_times,
            tail=None if tail is None else _tail(tail),
        )
    except ValueError as error:  # protobuf's: a number beyond 64 bits, text that is not Unicode
        raise InvalidRequest(f"the request cannot be encoded: {error}") from error


def _tail(tail: TailOptions) -> speech_pb2.TailOptions:
    return speech_pb2.TailOptions(
        max_seconds_per_character=tail.max_seconds_per_character,
        max_silence_seconds=tail.max_silence_s,
        max_redraws=tail.max_redraws,
    )


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
