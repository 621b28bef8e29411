"""A short form of `make chaos`: some faults on real processes that speak with the bundled model."""

from pathlib import Path

import pytest

from barkserve.checkpoint.folder import bundled_checkpoint
from tools.chaos.cluster import Cluster
from tools.chaos.experiment import Experiment
from tools.chaos.fault import Fault
from tools.chaos.faults.malformed import malformed
from tools.chaos.faults.process import kill, stop

REPLICAS = {"semantic": 1, "coarse": 2, "fine": 1, "codec": 1, "orchestrator": 2}
CHECKPOINT = f"--checkpoint={bundled_checkpoint()}"
FAULTS = (
    Fault("kill-coarse", "", "", kill("coarse")),
    Fault("stop-coarse", "", "", stop("coarse")),
    Fault("kill-orchestrator", "", "", kill("orchestrator")),
    Fault("malformed", "", "", malformed),
)


@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.timeout(1500)
async def test_faults_cost_no_sample(tmp_path: Path) -> None:
    """Killed and stopped processes and malformed messages: no sample lost, repeated or wrong."""
    async with Cluster(
        tmp_path, REPLICAS, stage_flags=(CHECKPOINT,), orchestrator_flags=(CHECKPOINT,)
    ) as cluster:
        experiment = Experiment(cluster, 1, tmp_path, speakers=2)
        await experiment.prepare()
        for fault in FAULTS:
            outcome = await experiment.run(fault)
            assert outcome.problems == [], f"{fault.key}: {outcome}"
            assert outcome.streams >= 4
