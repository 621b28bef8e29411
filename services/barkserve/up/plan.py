"""Plans the child processes of `barkserve up`: their ports and their command lines."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec

import platformdirs

from barkserve import services
from barkserve.config.model import check_offload
from barkserve.config.process import ListenOptions
from barkserve.config.telemetry import TelemetryOptions
from barkserve.config.up import UpOptions
from barkserve.constants import STAGES
from barkserve.cores import divide_cores, format_cores, own_cores
from barkserve.engine.core_share import available_cores
from barkserve.errors import StartupError
from barkserve.options import flag_of
from barkserve.services import CODEC, GATEWAY, ORCHESTRATOR, ServiceEntry
from barkserve.serving.exposure import check_exposure, check_wyoming_exposure
from barkserve.serving.ports import LOOPBACK_HOST, free_ports, listening_socket, reachable_host
from barkserve.serving.tls import TlsFiles
from barkserve.up.orchestrators import check_orchestrators, orchestrator_options

NO_STORE = "none"
"""The value of --voice-store that means no store."""


@dataclass(frozen=True)
class PlannedService:
    """A service to start.

    Attributes:
        name: the name of the service.
        is_stage: whether it runs a model.
        host: the address that it listens on.
        port: the port that it listens on.
        arguments: its command line after `barkserve`.
        tls: its TLS files; None means plaintext.
        variables: environment variables that it gets in addition.
        own_port: its port on the loopback address if other services share `port`; else 0.
        watchdog_trips: how often a watchdog has ended it.
    """

    name: str
    is_stage: bool
    host: str
    port: int
    arguments: tuple[str, ...]
    tls: TlsFiles | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    own_port: int = 0
    watchdog_trips: int = 0

    def after_trip(self) -> "PlannedService":
        """This service, started again because its watchdog ended it."""
        trips = self.watchdog_trips + 1
        flag = flag_of("watchdog_trips")
        others = (each for each in self.arguments if not each.startswith(f"{flag}="))
        return replace(self, watchdog_trips=trips, arguments=(*others, f"{flag}={trips}"))

    @property
    def is_http(self) -> bool:
        """Whether it speaks HTTP instead of gRPC."""
        return self.name == GATEWAY.name

    @property
    def address(self) -> str:
        """host:port at which this machine reaches it."""
        return f"{reachable_host(self.host)}:{self.port}"

    @property
    def own_address(self) -> str:
        """host:port at which this machine reaches it and no other service."""
        return f"{LOOPBACK_HOST}:{self.own_port}" if self.own_port else self.address


def plan_services(options: UpOptions, cores_file: str = "") -> list[PlannedService]:
    """Plan the services, in the order in which they start: the stages first.

    Each service gets every option of `up` that it has an option of the same name for. Only the
    orchestrator gets those that say who can reach it: the stages stay on this machine.

    Args:
        options: the options of `barkserve up`.
        cores_file: the file of `core_share_file`, through which the stages share the cores; empty:
            each stage has a fixed number of threads.

    Raises:
        StartupError: the options contradict each other.
    """
    check_offload(options.device, options.offload_idle_seconds)
    check_exposure(options)
    check_orchestrators(options)
    tls = TlsFiles.from_options(options)
    entries = [each for each in services.SERVICES if each.runs_in_up and not each.is_http]
    ports = _ports(options.port, entries)
    metrics_ports = {
        entry.name: options.metrics_port + index if options.metrics_port else 0
        for index, entry in enumerate(entries)
    }
    shared = asdict(options) | {
        "voice_store": voice_store_of(options.voice_store),
    }
    exposed = {entry.name for entry in fields(ListenOptions)}
    planned = []
    for entry in sorted(entries, key=lambda each: not each.is_stage):
        public = entry is ORCHESTRATOR
        variants = orchestrator_options(options) if public else [{}]
        host = options.host if public else LOOPBACK_HOST
        values = {name: value for name, value in shared.items() if public or name not in exposed}
        values |= {
            "host": host,
            "port": ports[entry.name],
            "metrics_port": metrics_ports[entry.name],
            **{name: f"{LOOPBACK_HOST}:{port}" for name, port in ports.items()},
        }
        if entry.is_stage:
            values |= _thread_options(entry, options, cores_file)
        if public:
            values["trusted_proxies"] = _with_gateway(options)
        values = {name: value for name, value in values.items() if name in entry.option_names}
        planned += [
            PlannedService(
                entry.name if number == 1 else f"{entry.name} {number}",
                entry.is_stage,
                host,
                ports[entry.name],
                _arguments(entry.name, values | variant),
                tls if public else None,
                own_port=variant.get("own_port", 0),
            )
            for number, variant in enumerate(variants, 1)
        ]
    if options.http_port:
        orchestrators = [each for each in planned if not each.is_stage]
        planned.append(_plan_gateway(options, orchestrators, tls))
    return planned


def pin_cores(planned: Sequence[PlannedService], device: str) -> list[PlannedService]:
    """Give each service cores of its own.

    Raises:
        StartupError: there are too few cores, or the models need all of them.
    """
    if device == "cpu":
        raise StartupError(
            "--pin-cores needs a GPU: with --device cpu the models use all cores, so leave it out"
        )
    shares = divide_cores(own_cores("--pin-cores"), len(planned))
    return [
        replace(each, arguments=(*each.arguments, f"--cores={format_cores(share)}"))
        for each, share in zip(planned, shares, strict=True)
    ]


def _plan_gateway(
    options: UpOptions, orchestrators: Sequence[PlannedService], tls: TlsFiles | None
) -> PlannedService:
    """Plan the gateway, which starts last.

    Raises:
        StartupError: its packages are missing, one of its ports is taken, or the Wyoming port could
            be reached from other machines.
    """
    check_wyoming_exposure(options, options.insecure)
    if find_spec("fastapi") is None:
        raise StartupError(
            "--http-port needs packages that are not installed: run pip install "
            "'barkserve[gateway]', or give --http-port 0"
        )
    with listening_socket(options.host, options.http_port, "--http-port"):
        pass  # the port is free: a message here names the option that the user knows
    if options.wyoming_port:
        wyoming = options.wyoming_host, options.wyoming_port
        with listening_socket(*wyoming, "--wyoming-port", "--wyoming-host"):
            pass
    values: dict[str, object] = {
        "host": options.host,
        "port": options.http_port,
        "metrics_port": options.metrics_port and options.metrics_port + 1 + len(STAGES),
        "orchestrator": _target(orchestrators),
        "insecure": options.insecure,
        "wyoming_host": options.wyoming_host,
        "wyoming_port": options.wyoming_port,
        "trusted_proxies": options.trusted_proxies,
        "require_tokens": bool(options.auth_tokens or options.auth_jwks),
        "drain_seconds": options.drain_seconds,
        "log_level": options.log_level,
    }
    values |= {each.name: getattr(options, each.name) for each in fields(TelemetryOptions)}
    if tls is not None:
        own = tls.current().own
        values |= {
            "tls_cert": options.tls_cert,
            "tls_key": options.tls_key,
            "tls_ca": options.tls_cert,  # it trusts the orchestrator's certificate alone
            "orchestrator_tls_name": own.names[0] if own and own.names else "",
        }
    return PlannedService(
        GATEWAY.name, False, options.host, options.http_port, _arguments(GATEWAY.name, values), tls
    )


def _target(orchestrators: Sequence[PlannedService]) -> str:
    """The address of all orchestrators, for a client that spreads its calls over them."""
    addresses = ",".join(each.own_address for each in orchestrators)
    return f"ipv4:{addresses}" if len(orchestrators) > 1 else addresses


def _thread_options(entry: ServiceEntry, options: UpOptions, cores_file: str) -> dict[str, object]:
    """The options that say how many threads a stage's model has."""
    share = f"{cores_file}:{STAGES.index(entry.name)}" if cores_file else ""
    varies = share and options.device == "cpu" and entry is not CODEC
    half = max(1, available_cores() // 2)
    return {"core_share": share, "threads": options.threads or (0 if varies else half)}


def _with_gateway(options: UpOptions) -> str:
    """The proxies that the orchestrator trusts: the user's, and the gateway on this machine."""
    host = reachable_host(options.host).strip("[]")
    if options.orchestrators > 1:
        host = LOOPBACK_HOST  # it calls their own ports
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        address = LOOPBACK_HOST  # a name, such as localhost
    return ",".join(filter(None, (options.trusted_proxies, address)))


def voice_store_of(option: str) -> str:
    """The orchestrator's --voice-store. By default, created voices outlive `barkserve up`."""
    if option == NO_STORE:
        return ""
    return option or str(platformdirs.user_data_path("barkserve", appauthor=False) / "voices")


def _arguments(service: str, values: dict[str, object]) -> tuple[str, ...]:
    # One word, FLAG=VALUE: a value may begin with a dash. A switch is FLAG, and is left out if off.
    flags = (
        flag_of(name) if value is True else f"{flag_of(name)}={value}"
        for name, value in values.items()
        if value is not False
    )
    return (service, "--exit-on-stdin-close", *flags)


def _ports(first: int, entries: Sequence[ServiceEntry]) -> dict[str, int]:
    """Consecutive ports from `first`, or free ones for 0, by the names of the services."""
    names = [entry.name for entry in entries]
    if first:
        return dict(zip(names, range(first, first + len(names)), strict=True))
    return dict(zip(names, free_ports(len(names), LOOPBACK_HOST), strict=True))
