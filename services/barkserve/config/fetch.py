"""The options of `barkserve fetch`."""

from dataclasses import dataclass

from barkserve.config.model import CheckpointOptions
from barkserve.constants import STAGES
from barkserve.options import option


@dataclass(frozen=True)
class FetchOptions(CheckpointOptions):
    """Options of `barkserve fetch`."""

    stage: str = option("", "service that the files are for", (*STAGES, "orchestrator"))
    to: str = option("", "folder to write; give it to that service as --checkpoint")
    verify: bool = option(False, "check the folder against its checksums and fetch nothing")
