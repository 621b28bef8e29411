"""All faults, in the order of the table."""

from barkserve.constants import STAGES
from tools.chaos.cluster import ORCHESTRATOR
from tools.chaos.fault import Fault
from tools.chaos.faults.disk import full_disk
from tools.chaos.faults.link import cut_clients, cut_stages
from tools.chaos.faults.load import idle_clients, overload, slow_readers
from tools.chaos.faults.malformed import malformed
from tools.chaos.faults.process import kill, nothing, roll, stop
from tools.chaos.faults.thread import freeze_event_loop, freeze_model_thread

_CONTINUES = "Another replica continues with the next sample."
_MOVES = "Its streams move to another replica; new streams avoid it."

FAULTS = (
    Fault("none", "no fault", "The same request and seed give the same samples.", nothing),
    *(
        Fault(f"kill-{stage}", f"SIGKILL of a {stage} stage", _CONTINUES, kill(stage))
        for stage in STAGES
    ),
    Fault(
        "kill-orchestrator",
        "SIGKILL of an orchestrator",
        "`barkclient` continues at another orchestrator with the next sample.",
        kill(ORCHESTRATOR),
    ),
    Fault(
        "roll-stages",
        "SIGTERM of one replica of each stage",
        "A rollout disturbs no stream.",
        roll(*STAGES),
    ),
    Fault(
        "roll-orchestrator",
        "SIGTERM of an orchestrator",
        "A rollout disturbs no stream.",
        roll(ORCHESTRATOR),
    ),
    Fault("stop-stage", "SIGSTOP of a stage", _MOVES, stop(*STAGES)),
    Fault(
        "stop-orchestrator",
        "SIGSTOP of an orchestrator",
        "`barkclient` continues at another orchestrator.",
        stop(ORCHESTRATOR),
    ),
    Fault("freeze-model", "frozen model thread of a stage", _MOVES, freeze_model_thread),
    Fault("freeze-loop", "frozen event loop of a stage", _MOVES, freeze_event_loop(*STAGES)),
    Fault(
        "freeze-orchestrator",
        "frozen event loop of an orchestrator",
        "`barkclient` continues at another orchestrator.",
        freeze_event_loop(ORCHESTRATOR),
    ),
    Fault(
        "cut-stages",
        "lost machine with a replica of each stage",
        "Streams move to the other machine.",
        cut_stages,
        needs_isolation=True,
    ),
    Fault(
        "cut-clients",
        "lost machine with clients",
        "Their slots become free; other streams continue.",
        cut_clients,
        needs_isolation=True,
    ),
    Fault(
        "overload",
        "ten times as many clients",
        "Accepted streams lose nothing; others are refused at once.",
        overload,
        orchestrator_flags=("--admission=rate",),
    ),
    Fault(
        "slow-readers", "clients that read nothing", "They disturb no other stream.", slow_readers
    ),
    Fault(
        "idle-clients",
        "200 idle calls, 200 silent connections",
        "They disturb no other stream.",
        idle_clients,
    ),
    Fault(
        "full-disk",
        "full disk of the voice store",
        "Only new voices fail; they succeed once there is space again.",
        full_disk,
        needs_isolation=True,
    ),
    Fault(
        "malformed",
        "malformed messages to every RPC",
        "Each gets a typed status and disturbs no other stream.",
        malformed,
    ),
)
"""The first one is the row to compare the others with."""
