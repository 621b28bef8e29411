"""Makes the profile of this machine: each stage alone, then one stream through all of them."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from barkclient.bench.level import Level
from barkserve.checkpoint.folder import CheckpointFolder
from barkserve.coarse.windows import CoarseGeometry
from barkserve.config.admission import AdmissionOptions
from barkserve.constants import STAGES
from barkserve.fine.windows import FineGeometry
from barkserve.simulation.profile import Profile, Rates
from barkserve.simulation.run import Simulated, simulate_level
from barkserve.simulation.system import Deployment
from barkserve.simulation.workload import Utterances, Voices
from benchmarks.plan.measured import STREAMS, MeasuredLoad
from benchmarks.plan.stage_times import coarse_times, codec_times, fine_times, semantic_times

ALONE = Level("closed", 1, count=STREAMS)
_HOPS = 5  # messages from the client to its first audio
_GPU_BATCHES = {"fine": 8, "codec": 16}


async def profile_stages(folder: Path, device: str, name: str) -> Profile:
    """Measure all stages, one after the other. The chain's figures are missing."""
    is_cpu = device == "cpu"
    options: dict[str, Any] = {"checkpoint": str(folder), "device": device}
    if is_cpu:
        options["threads"] = 1  # as many as a stage has while all are busy
    batches = dict.fromkeys(_GPU_BATCHES, 1) if is_cpu else _GPU_BATCHES
    bark = CheckpointFolder.open(folder).bark
    fine, chunks = await fine_times(options, batches["fine"])
    stages = {
        "semantic": await semantic_times(options),
        "coarse": await coarse_times(options),
        "fine": fine,
        "codec": await codec_times(options, batches["codec"]),
    }
    rates = Rates(
        bark.semantic_generation.semantic_rate_hz,
        bark.codec.frame_rate,
        bark.semantic_generation.prompt_length,
        CoarseGeometry.from_config(bark),
        FineGeometry.from_config(bark.fine_generation),
    )
    cores = float(len(os.sched_getaffinity(0))) if is_cpu else 0.0
    return Profile(name, stages, rates, chunks, 0.0, is_cpu, cores, (1.0,))


def with_host(stages: Profile, alone: MeasuredLoad, voices: Voices) -> Profile:
    """Compare streams that ran alone with the simulation of the models; the rest is the host's."""
    profile = replace(stages, audio_s=list(alone.audio_s))
    simulated = simulate(profile, ALONE, voices)
    measured_ms, model_ms = alone.summary.ttfa_ms.p50, simulated.summary.ttfa_ms.p50
    assert measured_ms is not None
    assert model_ms is not None
    hop_s = max(0.0, (measured_ms - model_ms) / 1000 / _HOPS)
    if not profile.shared_cores:
        return replace(profile, hop_s=hop_s)
    model_s = simulated.cores_share * profile.shared_cores * simulated.summary.elapsed_s
    host_s = max(0.0, (alone.cpu_s - model_s) / sum(alone.audio_s) / len(STAGES))
    times = {name: replace(each, host_s=host_s) for name, each in profile.stages.items()}
    return replace(profile, stages=times, hop_s=hop_s)


def simulate(profile: Profile, level: Level, voices: Voices) -> Simulated:
    """Simulate a level against one replica of each stage, with the same streams."""
    options = AdmissionOptions(admission="count")
    deployment = Deployment(dict.fromkeys(STAGES, 1), options=options)
    return simulate_level(profile, deployment, Utterances(profile.audio_s, voices, 0), level)
