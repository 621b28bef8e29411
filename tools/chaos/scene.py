"""What a fault acts on."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from tools.chaos.cluster import Cluster
from tools.chaos.network import Network
from tools.chaos.speaker import Speaker, Utterance


@dataclass
class Scene:
    """The services under load.

    Attributes:
        cluster: the services.
        draw: draws what is left open, such as the stage.
        store: the folder of created voices.
        utterances: what is spoken.
        speakers: the clients. All their streams count; a fault may add some.
        network: the machines, if this run has network namespaces.
        notes: what the fault itself found, for the table.
        failures: what the fault found wrong; any makes the run fail.
    """

    cluster: Cluster
    draw: random.Random
    store: Path
    utterances: list[Utterance]
    speakers: list[Speaker]
    network: Network | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        """Note a failure unless a condition holds."""
        if not holds:
            self.failures.append(what)
