"""The options of `barkserve gateway`."""

from dataclasses import dataclass

from barkserve.config.calls import OutgoingCallOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ProcessOptions
from barkserve.config.texts import LOOPBACK, METRICS_PORT, TRUSTED_PROXIES
from barkserve.options import option, port_option


@dataclass(frozen=True)
class WyomingOptions:
    """Where Wyoming clients such as Home Assistant connect. `barkserve up` has the same ones."""

    wyoming_port: int = port_option(
        0, "port for Wyoming clients such as Home Assistant, often 10200; 0 disables it"
    )
    wyoming_host: str = option(
        "127.0.0.1",
        "address that --wyoming-port listens on; Wyoming has no encryption and no authentication, "
        "so other addresses need --insecure",
    )


@dataclass(frozen=True)
class GatewayOptions(WyomingOptions, OutgoingCallOptions, ProcessOptions):
    """Options of `barkserve gateway`."""

    port: int = port_option(8080, "HTTP port to listen on; 0 takes a free one")
    metrics_port: int = port_option(9470, METRICS_PORT)
    orchestrator: str = option(
        f"127.0.0.1:{OrchestratorOptions.port}",
        "address of the orchestrator: HOST:PORT, or any name that gRPC resolves; requests take "
        "turns on all its addresses",
    )
    orchestrator_tls_name: str = option(
        "", "name in the orchestrator's certificate, if it is not the host of --orchestrator"
    )
    openai_voices: str = option(
        "",
        "voices for OpenAI's voice names, such as alloy=v2/en_speaker_6,nova=v2/en_speaker_9; the "
        "other names take the server's voices in turn",
    )
    cors_origins: str = option(
        "",
        "origins of web pages that may call, such as https://example.org, separated by commas; * "
        "means all; empty means only pages of the gateway itself",
    )
    keep_alive_seconds: float = option(
        75.0, "time that an HTTP connection stays open between two requests"
    )
    tls_ca: str = option(
        "",
        "PEM file with the authorities of the orchestrator's certificate; empty means plaintext to "
        "the orchestrator; with --tls-cert, the gateway shows its certificate to the orchestrator",
    )
    trusted_proxies: str = option(LOOPBACK, TRUSTED_PROXIES.format(""))
    require_tokens: bool = option(
        False,
        "refuse calls without a token, and all calls while the orchestrator does not check tokens",
    )

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is. The orchestrator checks the tokens."""
        return self.require_tokens

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--require-tokens",)
