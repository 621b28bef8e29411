"""The options of `barkserve doctor`."""

from dataclasses import dataclass

from barkserve.config.calls import OutgoingCallOptions
from barkserve.config.texts import REPLICAS
from barkserve.config.up import UpOptions
from barkserve.options import option

_CHECKED = REPLICAS.format("{}") + "; each is called; empty means none"


@dataclass(frozen=True)
class DoctorOptions(OutgoingCallOptions, UpOptions):
    """Options of `barkserve doctor`: those of `barkserve up`, and the services to call."""

    orchestrator: str = option("", _CHECKED.format("orchestrator"))
    semantic: str = option("", _CHECKED.format("semantic stage"))
    coarse: str = option("", _CHECKED.format("coarse stage"))
    fine: str = option("", _CHECKED.format("fine stage"))
    codec: str = option("", _CHECKED.format("codec stage"))
    tls_ca: str = option(
        "", "PEM file with the authorities of the services to call; empty means plaintext"
    )
    token_file: str = option(
        "", "file with the token for the orchestrator, of a caller with the role operate"
    )
    wait_seconds: float = option(3.0, "time that each called service has to answer", least=0.1)
    json: bool = option(False, "print one JSON object instead of a table")
