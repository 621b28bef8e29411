"""Plot of a scaling run."""

from pathlib import Path
from typing import Any

from barkserve.constants import STAGES

COLORS = {"semantic": "#4c78a8", "coarse": "#e45756", "fine": "#54a24b", "codec": "#b279a2"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Plot streams, replicas, time to first audio and underruns over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    snapshots, utterances = result["snapshots"], result["utterances"]
    times = [each["at_s"] for each in snapshots]
    figure, (load, replicas, first, silence) = pyplot.subplots(
        4, 1, figsize=(9, 10), sharex=True, height_ratios=(2, 3, 2, 2), layout="constrained"
    )
    load.plot(times, [each["clients"] for each in snapshots], "k-", label="clients")
    load.plot(times, [each["streams"] for each in snapshots], "0.6", label="streams running")
    load.set_ylabel("load")
    for stage in STAGES:
        counts = [each["replicas"][stage] for each in snapshots]
        label = f"{stage} ({result['costs'][stage]:g} s per second of audio)"
        replicas.step(times, counts, where="post", color=COLORS[stage], label=label)
    replicas.set_ylabel("replicas")
    requested = [each["at_s"] for each in utterances]
    first.plot(requested, [each["ttfa_s"] for each in utterances], "k.", markersize=4)
    first.set_ylabel("time to first audio, s")
    silence.plot(requested, [each["underrun_s"] for each in utterances], "r.", markersize=4)
    silence.set_ylabel("underrun, s")
    silence.set_xlabel("seconds")
    for axes in (load, replicas):
        axes.legend(loc="upper right", fontsize=8)
    for axes in (load, replicas, first, silence):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    failed = sum(bool(each["failure"]) for each in utterances)
    figure.suptitle(f"{len(utterances)} utterances, {failed} failed")
    figure.savefig(path, dpi=110)
