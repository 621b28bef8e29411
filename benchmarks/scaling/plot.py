"""The run as a picture."""

from pathlib import Path
from typing import Any

from barkserve.constants import STAGES

COLORS = {"semantic": "#4c78a8", "coarse": "#e45756", "fine": "#54a24b", "codec": "#b279a2"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Streams, replicas, time to first audio and underruns over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    moments, heard = result["moments"], result["heard"]
    times = [moment["at_s"] for moment in moments]
    figure, (load, replicas, first, silence) = pyplot.subplots(
        4, 1, figsize=(9, 10), sharex=True, height_ratios=(2, 3, 2, 2), layout="constrained"
    )
    load.plot(times, [moment["listeners"] for moment in moments], "k-", label="listeners")
    load.plot(times, [moment["streams"] for moment in moments], "0.6", label="streams running")
    load.set_ylabel("load")
    for stage in STAGES:
        counts = [moment["replicas"][stage] for moment in moments]
        label = f"{stage} ({result['costs'][stage]:g} s a second of audio)"
        replicas.step(times, counts, where="post", color=COLORS[stage], label=label)
    replicas.set_ylabel("replicas")
    begun = [each["at_s"] for each in heard]
    first.plot(begun, [each["ttfa_s"] for each in heard], "k.", markersize=4)
    first.set_ylabel("time to first audio, s")
    silence.plot(begun, [each["underrun_s"] for each in heard], "r.", markersize=4)
    silence.set_ylabel("underrun, s")
    silence.set_xlabel("seconds")
    for axes in (load, replicas):
        axes.legend(loc="upper right", fontsize=8)
    for axes in (load, replicas, first, silence):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    failed = sum(bool(each["failure"]) for each in heard)
    figure.suptitle(f"{len(heard)} utterances, {failed} cut off")
    figure.savefig(path, dpi=110)
