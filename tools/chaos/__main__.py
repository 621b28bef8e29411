"""Run all faults and print what each cost the streams.

    python -m tools.chaos --seed 1 --out build/chaos
    python -m tools.chaos --faults kill-coarse,stop-stage --docs docs/reliability.md

Speaks with the bundled model through two replicas of each stage and two orchestrators. Exit code 1
means that a promise does not hold.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from pathlib import Path

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.constants import STAGES
from tools.chaos.cluster import ORCHESTRATOR, Cluster
from tools.chaos.experiment import Experiment
from tools.chaos.faults.registry import FAULTS
from tools.chaos.network import (
    ISOLATED,
    Network,
    isolate,
    mount_small_disk,
    why_unavailable,
)
from tools.chaos.outcome import Outcome
from tools.chaos.replica import Host
from tools.chaos.table import figures, promises, replaced

_STORE = "voices"
_STEP_TIMEOUT_S = 10  # instead of 60: the row of the frozen model takes less time
_BY_KEY = {fault.key: fault for fault in FAULTS}


async def run(keys: list[str], seed: int, folder: Path, network: Network | None) -> list[Outcome]:
    """Run faults, and print each row as it is known."""
    store = folder / _STORE
    hosts = (Host(),) if network is None else (Host(network.gateway(1)), network.host(0))
    # The machines of this run are network namespaces: no other machine reaches their addresses.
    flags = (f"--checkpoint={bundled_checkpoint()}", "--insecure")
    cluster = Cluster(
        folder,
        dict.fromkeys((*STAGES, ORCHESTRATOR), 2),
        hosts,
        (*flags, f"--step-timeout-seconds={_STEP_TIMEOUT_S}"),
        (*flags, f"--voice-store={store}"),
    )
    outcomes: list[Outcome] = []
    _say(f"starting {len(cluster.all)} processes; their logs are in {folder}")
    async with cluster:
        experiment = Experiment(cluster, seed, store, network)
        _say("speaking the references")
        await experiment.prepare()
        for key in keys:
            outcomes.append(await experiment.run(_BY_KEY[key]))
            _say(figures(outcomes[-1:], _BY_KEY).splitlines()[-1])
    return outcomes


def main() -> int:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args()
    if options.docs is not None and options.faults != [*_BY_KEY]:
        parser.error("--docs needs all faults")
    unavailable = "" if options.isolated else why_unavailable()
    if not options.isolated and not unavailable:
        isolate("tools.chaos", sys.argv[1:])
    if unavailable:
        _say(f"without network namespaces: {unavailable}")
    folder = options.out.resolve()
    (folder / _STORE).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        network = None
        if options.isolated:
            network = stack.enter_context(Network(2))
            mount_small_disk(folder / _STORE)
        outcomes = asyncio.run(run(options.faults, options.seed, folder, network))
    text = f"{promises(FAULTS)}\n\n{_conditions(options.seed)}\n\n{figures(outcomes, _BY_KEY)}"
    rows = {"seed": options.seed, "outcomes": [asdict(outcome) for outcome in outcomes]}
    (options.out / "chaos.json").write_text(json.dumps(rows, indent=1))
    (options.out / "chaos.md").write_text(text + "\n")
    _say(figures(outcomes, _BY_KEY))
    if options.docs is not None:
        options.docs.write_text(replaced(options.docs.read_text(), text))
    return int(any(outcome.problems for outcome in outcomes))


def _conditions(seed: int) -> str:
    load = os.getloadavg()[2]
    return (
        f"Measured on {date.today():%Y-%m-%d} with seed {seed}: {os.cpu_count()} CPU cores"
        f" ({platform.machine()}), load average of the last 15 minutes {load:.0f}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="fixes all draws")
    parser.add_argument("--faults", type=_keys, default=[*_BY_KEY], help=f"of {','.join(_BY_KEY)}")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"), help="folder of results")
    parser.add_argument("--docs", type=Path, help="page whose table is replaced")
    parser.add_argument(ISOLATED, action="store_true", help=argparse.SUPPRESS)
    return parser


def _keys(text: str) -> list[str]:
    keys = text.split(",") if text else [*_BY_KEY]
    unknown = [key for key in keys if key not in _BY_KEY]
    if unknown:
        raise argparse.ArgumentTypeError(f"no fault {unknown[0]}; there are {', '.join(_BY_KEY)}")
    return keys


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
