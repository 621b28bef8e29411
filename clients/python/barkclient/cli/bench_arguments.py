"""Options of `barkclient bench`, and the plan that they describe."""

from dataclasses import dataclass, field

from barkclient.bench.plan import Plan
from barkclient.bench.texts import read_texts
from barkclient.cli.common import ServerArguments, option
from barkclient.errors import InvalidRequest
from barkclient.options import build_request

_RATES = (0.5, 1.0, 2.0)
_FIRST_RATE = (1.0,)
_MAX_CONCURRENCY = 4096
_MAX_STREAMS = 1_000_000
_DAY_S = 86400.0
_MAX_RATE = 1000.0


def streams(text: str) -> int:
    """Parse a number of streams. If it raises, argparse shows the name of this function."""
    return _within(int(text), 1, _MAX_STREAMS)


def streams_or_none(text: str) -> int:
    """Parse a number of streams that run at once, or 0."""
    return _within(int(text), 0, _MAX_CONCURRENCY)


def streams_at_once(text: str) -> int:
    """Parse a number of streams that run at once."""
    return _within(int(text), 1, _MAX_CONCURRENCY)


def concurrencies(text: str) -> tuple[int, ...]:
    """Parse a list of them, separated by commas."""
    return tuple(streams_at_once(part) for part in text.split(","))


def rates(text: str) -> tuple[float, ...]:
    """Parse a list of arrival rates in streams per second, separated by commas."""
    values = tuple(float(part) for part in text.split(","))
    if not all(0 < value <= _MAX_RATE for value in values):
        raise ValueError
    return values


def load(text: str) -> float:
    """Parse a load: arrivals per second, or streams at once."""
    value = float(text)
    if not 0 < value <= _MAX_CONCURRENCY:
        raise ValueError
    return value


def seconds_up_to_a_day(text: str) -> float:
    """Parse a time of at most a day."""
    value = float(text)
    if not 0 < value <= _DAY_S:
        raise ValueError
    return value


def seed(text: str) -> int:
    """Parse a seed. It is limited because stream N has this seed plus N."""
    return _within(int(text), 0, 2**62)


def _within(value: int, minimum: int, maximum: int) -> int:
    if not minimum <= value <= maximum:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class BenchArguments(ServerArguments):
    """Command line of `barkclient bench`."""

    rate: tuple[float, ...] | None = field(
        default=None,
        metadata=option(
            "open loop: arrivals per second (Poisson), one level each (default: 0.5,1,2)",
            "--rate",
            type=rates,
            metavar="R,R,...",
            group="load",
        ),
    )
    concurrency: tuple[int, ...] | None = field(
        default=None,
        metadata=option(
            "closed loop instead: streams at once, one level each",
            "--concurrency",
            type=concurrencies,
            metavar="N,N,...",
            group="load",
        ),
    )
    saturate: bool = field(
        default=False,
        metadata=option(
            "find the highest sustained load, with C100 of at least 99%: arrivals per second"
            " (from --rate, or 1), or streams at once (from --concurrency)",
            "--saturate",
            action="store_true",
            group="load",
        ),
    )
    max_load: float = field(
        default=1000.0,
        metadata=option(
            "highest load of --saturate",
            "--max-load",
            type=load,
            metavar="R|N",
            group="load",
        ),
    )
    max_seconds: float = field(
        default=600.0,
        metadata=option(
            "time that --saturate may take; the best load so far counts",
            "--max-seconds",
            type=seconds_up_to_a_day,
            metavar="SECONDS",
            group="load",
        ),
    )
    text_file: str | None = field(
        default=None,
        metadata=option(
            "texts to speak, one per line (default: ten sentences)",
            "--text-file",
            metavar="FILE",
            group="stream",
        ),
    )
    voice: str | None = field(
        default=None,
        metadata=option(
            "a voice's name, none, or an .npz file",
            "--voice",
            metavar="NAME|FILE.npz",
            group="stream",
        ),
    )
    count: int | None = field(
        default=None,
        metadata=option(
            "streams per level (default: at least 20; 4 per concurrent stream or 20 s of arrivals)",
            "--count",
            type=streams,
            metavar="N",
            group="load",
        ),
    )
    duration: float | None = field(
        default=None,
        metadata=option(
            "start streams for this time per level, instead of --count",
            "--duration",
            type=seconds_up_to_a_day,
            metavar="SECONDS",
            group="load",
        ),
    )
    warmup: int = field(
        default=2,
        metadata=option(
            "streams before each level that are not measured",
            "--warmup",
            type=streams_or_none,
            metavar="N",
            group="load",
        ),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "seed of the arrivals and of stream 0; stream N has seed + N",
            "--seed",
            type=seed,
            metavar="N",
            group="stream",
        ),
    )
    timeout: float = field(
        default=120.0,
        metadata=option(
            "a stream that takes longer counts as failed",
            "--timeout",
            type=seconds_up_to_a_day,
            metavar="SECONDS",
            group="load",
        ),
    )
    json: str | None = field(
        default=None,
        metadata=option(
            "write the method and the results as JSON (docs/measuring.md)",
            "--json",
            metavar="FILE",
            group="report",
        ),
    )
    raw: bool = field(
        default=False,
        metadata=option(
            "with --json: include every stream and every chunk",
            "--raw",
            action="store_true",
            group="report",
        ),
    )
    plot: str | None = field(
        default=None,
        metadata=option(
            "draw the results",
            "--plot",
            metavar="FILE.png",
            group="report",
        ),
    )

    def plan(self) -> Plan:
        """Return the plan of the benchmark.

        Raises:
            InvalidRequest: the options contradict each other, or a file cannot be read.
        """
        self._check()
        plan = Plan(
            loop="open" if self.concurrency is None else "closed",
            loads=self.concurrency or self.rate or (_FIRST_RATE if self.saturate else _RATES),
            saturate=self.saturate,
            max_load=self.max_load,
            max_s=self.max_seconds,
            texts=read_texts(self.text_file),
            voice=self.voice,
            seed=self.seed,
            count=self.count,
            duration_s=self.duration,
            warmup=self.warmup,
            timeout_s=self.timeout,
        )
        build_request(plan.texts[0], voice=plan.voice, seed=plan.seed)
        return plan

    def _check(self) -> None:
        if self.concurrency is not None and self.rate is not None:
            raise InvalidRequest("give only one of --rate and --concurrency")
        if self.count is not None and self.duration is not None:
            raise InvalidRequest("give only one of --count and --duration")
        if self.saturate and self.duration is not None:
            raise InvalidRequest("--saturate needs levels of --count streams, not --duration")
        if self.saturate and len(self.rate or self.concurrency or _FIRST_RATE) > 1:
            raise InvalidRequest("--saturate begins with one load: give only one value")
        if self.raw and self.json is None:
            raise InvalidRequest("--raw needs --json FILE")
