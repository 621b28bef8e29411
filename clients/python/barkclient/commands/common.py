"""What the options of all commands share: how a field names its flags, and the common fields."""

from dataclasses import dataclass, field
from typing import Any

from barkclient.channel import DEFAULT_TARGET

SERVER_VARIABLE = "BARKCLIENT_SERVER"


def option(help_text: str, *flags: str, **keywords: Any) -> dict[str, Any]:
    """A field's metadata; without flags it is a positional argument."""
    return {"flags": flags, "help": help_text, **keywords}


def seconds(text: str) -> float:
    """A timeout; argparse shows this function's name when it raises."""
    value = float(text)
    if not value > 0:
        raise ValueError
    return value


@dataclass(frozen=True, kw_only=True)
class ServerArguments:
    """Where to ask."""

    server: str = field(
        default=DEFAULT_TARGET,
        metadata=option(
            f"the orchestrator (environment: {SERVER_VARIABLE})", "--server", metavar="HOST:PORT"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class CommonArguments(ServerArguments):
    """What every command takes that asks once."""

    timeout: float | None = field(
        default=None,
        metadata=option(
            "give up after so many seconds", "--timeout", type=seconds, metavar="SECONDS"
        ),
    )
    json: bool = field(
        default=False, metadata=option("print one line of JSON", "--json", action="store_true")
    )
