"""The options of every service: its ports, TLS and limits of connections."""

from dataclasses import dataclass

from barkserve.config.telemetry import TelemetryOptions
from barkserve.config.texts import LOG_LEVELS, METRICS_PORT, PORT
from barkserve.options import option, port_option


@dataclass(frozen=True)
class ListenOptions:
    """Options that say who can reach a port. `barkserve up` has them for the orchestrator."""

    host: str = option(
        "127.0.0.1", "address to listen on; 0.0.0.0 for all of IPv4, [::] for all of IPv6 and IPv4"
    )
    insecure: bool = option(
        False, "allow --host to be reachable from other machines without TLS or authentication"
    )
    tls_cert: str = option(
        "", "PEM file with the certificate of this service; empty disables TLS for its clients"
    )
    tls_key: str = option("", "PEM file with the private key of the certificate")

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return False

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ()


@dataclass(frozen=True)
class ProcessOptions(TelemetryOptions, ListenOptions):
    """Options of every service, whatever protocol it speaks."""

    port: int = port_option(0, PORT)
    metrics_port: int = port_option(0, METRICS_PORT)
    drain_seconds: float = option(
        30.0, "time that running streams have to finish after the first SIGTERM"
    )
    tls_ca: str = option(
        "",
        "PEM file with the trusted authorities; requires client certificates, and TLS on calls to "
        "other services",
    )
    event_loop_timeout_seconds: float = option(
        10.0,
        "time after which a service whose event loop is blocked writes all stacks to its log and "
        "ends with exit code 75; 0 means never",
    )
    cores: str = option(
        "", "CPU cores that this process runs on, such as 0-3,8 (Linux); empty means all"
    )
    log_level: str = option("info", "lowest level of the log messages to show", LOG_LEVELS)
    watchdog_trips: int = option(
        0,
        "times that the watchdog has ended this service before (set by `barkserve up`)",
    )
    exit_on_stdin_close: bool = option(
        False,
        "stop when standard input closes, and print startup errors on standard output (set by "
        "`barkserve up`)",
    )


@dataclass(frozen=True)
class ServiceOptions(ProcessOptions):
    """Options of every gRPC service."""

    own_port: int = port_option(
        0,
        "further port, on 127.0.0.1, of this process alone; --port is then shared with other "
        "processes, and each gets some of the connections (set by `barkserve up --orchestrators`)",
    )
    health_port: int = port_option(
        0, "plaintext port with grpc.health.v1 only, for probes without TLS; 0 disables it"
    )
    max_connection_age_seconds: float = option(
        0.0,
        "connection age after which clients are asked to reconnect, so that they find new "
        "replicas; 0 means never",
    )
    keepalive_seconds: float = option(
        15.0,
        "time without data from a client after which it is pinged; its connection is closed if no "
        "answer comes within the same time; 0 means never",
    )
    output_idle_seconds: float = option(
        300.0, "time that a stream waits for a caller that does not read; 0 means no limit"
    )

    certificate_roles: str = option(
        "",
        "roles of clients by the names in their certificates: ROLE=NAME,..., where * matches any "
        "characters and NAME is a DNS name or URI; the roles are speak, manage-voices, operate, "
        "call-stages and forward; empty gives every role to each certificate, except on stages, "
        "which need it",
    )
    reflection: str = option(
        "on", "whether clients can list the services and messages (gRPC reflection)", ("on", "off")
    )

    @property
    def requires_client_certificate(self) -> bool:
        """Whether clients must present a certificate of an authority in `tls_ca`."""
        return bool(self.tls_ca)

    @property
    def max_request_bytes(self) -> int:
        """Size of the largest request message that is parsed: parsing blocks the event loop."""
        return 262_144

    @property
    def authenticates_callers(self) -> bool:
        """Whether every caller must prove who it is."""
        return self.requires_client_certificate

    @property
    def authentication_flags(self) -> tuple[str, ...]:
        """The options that make callers prove who they are."""
        return ("--tls-ca",)
