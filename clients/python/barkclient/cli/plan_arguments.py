"""Options of `barkclient plan`."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from barkclient.cli.common import option

Arrivals = Literal["constant", "diurnal", "burst"]

_MAX_STREAMS = 10_000_000
_LONG, _NONE = 512, 0  # semantic tokens of a voice: longer than every window; no voice
_NAMED = {"long": _LONG, "none": _NONE}


def streams(text: str) -> int:
    """Parse a number of streams. If it raises, argparse shows the name of this function."""
    return _within(int(text), 1, _MAX_STREAMS)


def count(text: str) -> int:
    """Parse a small number of things."""
    return _within(int(text), 1, 1000)


def share(text: str) -> float:
    """Parse a share between 0 and 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value


def amount(text: str) -> float:
    """Parse an amount of money, or seconds."""
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError
    return value


def voices(text: str) -> tuple[tuple[int, float], ...]:
    """Parse a mix of voices, such as long=0.8,none=0.2."""
    pairs = [part.partition("=") for part in text.split(",")]
    mix = tuple((_tokens(name), float(value)) for name, _, value in pairs)
    if any(value < 0 for _, value in mix) or not sum(value for _, value in mix) > 0:
        raise ValueError
    return mix


def _tokens(name: str) -> int:
    return _NAMED[name] if name in _NAMED else _within(int(name), 0, 10_000)


def _within(value: int, minimum: int, maximum: int) -> int:
    if not minimum <= value <= maximum:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class PlanArguments:
    """Command line of `barkclient plan`."""

    profile: str | None = field(
        default=None,
        metadata=option(
            "the measured times of the models, written by 'python -m benchmarks.plan profile'",
            "--profile",
            metavar="FILE.json",
            group="deployment",
            required=True,
        ),
    )
    streams: int = field(
        default=100,
        metadata=option(
            "streams that play at once, at the peak",
            "--streams",
            type=streams,
            metavar="N",
            group="load",
        ),
    )
    arrivals: Arrivals = field(
        default="constant",
        metadata=option(
            "constant; diurnal: a day from a fifth of the streams to all of them; burst: from a"
            " tenth to all of them in 30 s, with autoscaling",
            "--arrivals",
            choices=get_args(Arrivals),
            group="load",
        ),
    )
    voices: tuple[tuple[int, float], ...] = field(
        default=((_LONG, 1.0),),
        metadata=option(
            "mix of voices: a share for long, none, or a number of semantic tokens"
            " (default: long=1)",
            "--voices",
            type=voices,
            metavar="VOICE=SHARE,...",
            group="load",
        ),
    )
    c100: float = field(
        default=0.99,
        metadata=option(
            "share of the streams that must be accepted and play without an underrun of 100 ms",
            "--c100",
            type=share,
            metavar="SHARE",
            group="load",
        ),
    )
    zones: int = field(
        default=1,
        metadata=option(
            "zones of the cluster; with more than one, the loss of a zone leaves enough replicas",
            "--zones",
            type=count,
            metavar="N",
            group="deployment",
        ),
    )
    replicas_per_gpu: int = field(
        default=1,
        metadata=option(
            "replicas of one stage on one GPU",
            "--replicas-per-gpu",
            type=count,
            metavar="N",
            group="deployment",
        ),
    )
    startup_seconds: float = field(
        default=60.0,
        metadata=option(
            "time that a new replica takes until it is ready, for --arrivals burst",
            "--startup-seconds",
            type=amount,
            metavar="SECONDS",
            group="deployment",
        ),
    )
    gpu_cost_per_hour: float | None = field(
        default=None,
        metadata=option(
            "price of a GPU for an hour, in any currency",
            "--gpu-cost-per-hour",
            type=amount,
            metavar="PRICE",
            group="deployment",
        ),
    )
    seed: int = field(
        default=0,
        metadata=option("seed of the simulation", "--seed", type=int, metavar="N", group="load"),
    )
    json: bool = field(
        default=False,
        metadata=option("print the plan as JSON", "--json", action="store_true", group="report"),
    )
    plot: str | None = field(
        default=None,
        metadata=option(
            "draw first audio, continuity and use of the replicas by load",
            "--plot",
            metavar="FILE.png",
            group="report",
        ),
    )
