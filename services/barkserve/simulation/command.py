"""The work of `barkclient plan`."""

import json
from pathlib import Path

from barkclient.bench.results import WrongResultsFormat
from barkclient.cli.plan_arguments import PlanArguments
from barkclient.errors import InvalidRequest
from barkserve.constants import STAGES
from barkserve.simulation.burst_plan import BurstPlan, plan_burst
from barkserve.simulation.profile import Profile, read_profile
from barkserve.simulation.sizing import Size, Target, size
from barkserve.simulation.workload import Voices


def run(arguments: PlanArguments) -> str:
    """Make a plan.

    Returns:
        The plan as a table or as JSON.

    Raises:
        InvalidRequest: the profile cannot be read.
    """
    profile = _profile(arguments.profile or "")
    target = Target(
        arguments.streams,
        arguments.c100,
        Voices(dict(arguments.voices)),
        arguments.zones,
        arguments.replicas_per_gpu,
        arguments.gpu_cost_per_hour or 0.0,
        seed=arguments.seed,
    )
    sized = size(profile, target)
    burst = None
    if arguments.arrivals == "burst":
        burst = plan_burst(profile, target, arguments.startup_seconds)
    if arguments.plot is not None:
        from barkserve.simulation.plot import draw_loads

        draw_loads(profile, target, sized, arguments.plot)
    if arguments.json:
        content = sized.to_dict()
        if burst is not None:
            content["burst"] = burst.to_dict()
        return json.dumps(content)
    return "\n".join(_lines(sized, arguments, burst))


def _profile(path: str) -> Profile:
    try:
        return read_profile(Path(path))
    except OSError as error:
        raise InvalidRequest(f"cannot read --profile {path}: {error.strerror}") from error
    except (WrongResultsFormat, UnicodeDecodeError) as error:
        raise InvalidRequest(f"--profile {path}: {error}") from error


def _lines(sized: Size, arguments: PlanArguments, burst: BurstPlan | None) -> list[str]:
    lines = [
        f"{sized.streams} streams at once on: {sized.profile}",
        "stage       replicas   GPUs   streams per replica   busy",
    ]
    for stage in STAGES:
        each = sized.stages[stage]
        lines.append(
            f"{stage:<11} {each.replicas:>8}   {each.gpus:>4}   {each.streams_per_replica:>19.1f}"
            f"   {each.busy_share:>4.0%}"
        )
    lines += [
        f"{sized.gpus} GPUs and {sized.orchestrators} orchestrators; streams use up to "
        f"{sized.utilization:.0%} of each replica",
        f"first audio: {sized.ttfa_p50_ms:.0f} ms (p50), {sized.ttfa_p95_ms:.0f} ms (p95); "
        f"C100 {sized.c100_share:.1%}, refused {sized.refused_share:.1%} "
        f"(simulated with {sized.simulated_streams} streams)",
        f"{sized.first_saturated} saturates first, at {sized.limit_streams:.0f} streams",
    ]
    if not sized.reached:
        lines.append(f"C100 of {arguments.c100:.1%} is not reached with any number of replicas")
    if arguments.arrivals == "diurnal" and sized.cost_per_speech_hour_fixed_day is not None:
        lines.append(
            f"an hour of speech costs {sized.cost_per_speech_hour_fixed_day:.4g} with these "
            f"replicas all day, {sized.cost_per_speech_hour_scaled_day:.4g} if they follow the load"
        )
    elif sized.cost_per_speech_hour is not None:
        lines.append(f"an hour of speech costs {sized.cost_per_speech_hour:.4g}")
    if burst is not None:
        lines.append(burst.sentence())
    return lines
