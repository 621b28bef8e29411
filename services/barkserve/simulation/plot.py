"""Draws simulations. matplotlib is imported only when it draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from barkserve.constants import STAGES
from barkserve.simulation.capacity import streams_per_replica
from barkserve.simulation.profile import Profile
from barkserve.simulation.run import Simulated
from barkserve.simulation.sizing import Size, Target, simulate_cell
from barkserve.simulation.workload import Utterances

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOADS = (0.25, 0.5, 0.75, 1.0, 1.25)


def draw_loads(profile: Profile, target: Target, sized: Size, path: str) -> None:
    """Write a PNG: what listeners get, and how busy the stages are, by load.

    Args:
        profile: the times of the models.
        target: what was planned for.
        sized: the plan.
        path: the file.
    """
    from matplotlib.figure import Figure

    utterances = Utterances(profile.audio_s, target.voices, target.seed)
    per_replica = streams_per_replica(profile, sized.utilization, utterances.mean_s)
    results = [
        simulate_cell(
            profile,
            target,
            max(1, round(load * sized.simulated_streams)),
            {stage: load * per_replica[stage] for stage in STAGES},
            utterances,
        )
        for load in _LOADS
    ]
    figure = Figure(figsize=(12, 4), layout="constrained")
    figure.suptitle(f"simulated: {sized.profile}", fontsize="medium")
    panels = figure.subplots(1, 3)
    loads = [round(load * target.streams) for load in _LOADS]
    _draw_ttfa(panels[0], loads, results)
    _draw_continuity(panels[1], loads, results)
    _draw_busy(panels[2], loads, results)
    for axes in panels:
        axes.set_xlabel("streams")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, format="png", dpi=100)


def _draw_ttfa(axes: "Axes", loads: Sequence[int], results: Sequence[Simulated]) -> None:
    axes.set_title("time to first audio, ms", fontsize="medium")
    for name in ("p50", "p95"):
        values = [getattr(each.summary.ttfa_ms, name) or float("nan") for each in results]
        axes.plot(loads, values, marker="o", label=name)


def _draw_continuity(axes: "Axes", loads: Sequence[int], results: Sequence[Simulated]) -> None:
    axes.set_title("share of the streams, %", fontsize="medium")
    clean = [100 * (each.summary.c100_share or 0.0) for each in results]
    axes.plot(loads, clean, marker="o", label="accepted and clean (C100)")
    refused = [100 * each.refused_share for each in results]
    axes.plot(loads, refused, marker="o", label="refused")


def _draw_busy(axes: "Axes", loads: Sequence[int], results: Sequence[Simulated]) -> None:
    axes.set_title("a replica computes, % of the time", fontsize="medium")
    for stage in STAGES:
        values = [100 * each.busy_share[stage] for each in results]
        axes.plot(loads, values, marker="o", label=stage)
