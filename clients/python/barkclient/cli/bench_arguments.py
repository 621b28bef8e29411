"""What `barkclient bench` takes, and the plan that it asks for."""

from dataclasses import dataclass, field

from barkclient.bench.plan import Plan
from barkclient.bench.texts import read_texts
from barkclient.cli.common import ServerArguments, option
from barkclient.errors import InvalidRequest
from barkclient.options import build_request

_CONCURRENCY = (1, 2, 4, 8)
_MOST_CONCURRENCY = 4096
_MOST_STREAMS = 1_000_000
_DAY_S = 86400.0
_HIGHEST_RATE = 1000.0


def streams(text: str) -> int:
    """A number of streams; argparse shows the names of these functions when they raise."""
    return _within(int(text), 1, _MOST_STREAMS)


def streams_or_none(text: str) -> int:
    """A number of streams that may be 0, and that may all run at once."""
    return _within(int(text), 0, _MOST_CONCURRENCY)


def streams_at_once(text: str) -> int:
    """A concurrency."""
    return _within(int(text), 1, _MOST_CONCURRENCY)


def concurrencies(text: str) -> tuple[int, ...]:
    """A list of them, with commas."""
    return tuple(streams_at_once(part) for part in text.split(","))


def rates(text: str) -> tuple[float, ...]:
    """Streams begun a second, a list with commas."""
    values = tuple(float(part) for part in text.split(","))
    if not all(0 < value <= _HIGHEST_RATE for value in values):
        raise ValueError
    return values


def seconds_up_to_a_day(text: str) -> float:
    """A time that ends."""
    value = float(text)
    if not 0 < value <= _DAY_S:
        raise ValueError
    return value


def seed(text: str) -> int:
    """A seed that still fits the request after a million streams."""
    return _within(int(text), 0, 2**62)


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class BenchArguments(ServerArguments):
    """`barkclient bench`"""

    concurrency: tuple[int, ...] | None = field(
        default=None,
        metadata=option(
            "closed loop: so many streams at once, a level each (default: 1,2,4,8)",
            "--concurrency",
            type=concurrencies,
            metavar="N,N,...",
        ),
    )
    rate: tuple[float, ...] | None = field(
        default=None,
        metadata=option(
            "open loop: so many streams begin a second (Poisson arrivals), a level each",
            "--rate",
            type=rates,
            metavar="R,R,...",
        ),
    )
    saturate: bool = field(
        default=False,
        metadata=option(
            "search for the most streams at once of which 99%% play without a 100 ms underrun",
            "--saturate",
            action="store_true",
        ),
    )
    max_concurrency: int = field(
        default=256,
        metadata=option(
            "where --saturate stops", "--max-concurrency", type=streams_at_once, metavar="N"
        ),
    )
    text_file: str | None = field(
        default=None,
        metadata=option(
            "what to say, one text a line, in turn (default: ten sentences)",
            "--text-file",
            metavar="FILE",
        ),
    )
    voice: str | None = field(
        default=None,
        metadata=option(
            "who speaks: a name, none, or an .npz file", "--voice", metavar="NAME|FILE.npz"
        ),
    )
    count: int | None = field(
        default=None,
        metadata=option(
            "streams a level (default: 20, or if more 4 for each at once, or 20 s of arrivals)",
            "--count",
            type=streams,
            metavar="N",
        ),
    )
    duration: float | None = field(
        default=None,
        metadata=option(
            "begin streams for so long a level, instead of --count",
            "--duration",
            type=seconds_up_to_a_day,
            metavar="SECONDS",
        ),
    )
    warmup: int = field(
        default=2,
        metadata=option(
            "streams before each level that do not count",
            "--warmup",
            type=streams_or_none,
            metavar="N",
        ),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "of the arrivals, and of stream 0; stream N has seed + N",
            "--seed",
            type=seed,
            metavar="N",
        ),
    )
    timeout: float = field(
        default=120.0,
        metadata=option(
            "a stream that takes longer has failed",
            "--timeout",
            type=seconds_up_to_a_day,
            metavar="SECONDS",
        ),
    )
    json: str | None = field(
        default=None, metadata=option("write method and numbers", "--json", metavar="FILE")
    )
    raw: bool = field(
        default=False,
        metadata=option(
            "with --json: every stream and every chunk as well", "--raw", action="store_true"
        ),
    )
    plot: str | None = field(
        default=None, metadata=option("draw the numbers", "--plot", metavar="FILE.png")
    )

    def plan(self) -> Plan:
        """The method that was asked for; what cannot be meant raises InvalidRequest."""
        self._check()
        plan = Plan(
            loop="open" if self.rate else "closed",
            loads=() if self.saturate else self.rate or self.concurrency or _CONCURRENCY,
            max_concurrency=self.max_concurrency,
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
        loads = (self.concurrency is not None, self.rate is not None, self.saturate)
        if sum(loads) > 1:
            raise InvalidRequest("--concurrency, --rate and --saturate exclude each other")
        if self.count is not None and self.duration is not None:
            raise InvalidRequest("--count and --duration exclude each other")
        if self.raw and self.json is None:
            raise InvalidRequest("--raw says what --json FILE is to hold: give both")
