"""Checks of running services: each replica is called, and the orchestrator says what it sees."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from barkclient.http_proxy import is_loopback
from barkserve.config.doctor import DoctorOptions
from barkserve.discovery.spec import resolver_of
from barkserve.doctor.finding import Finding, collecting, ok, problem, warning
from barkserve.doctor.settings import tls_files_of
from barkserve.errors import StartupError
from barkserve.regular_file import read_regular_file
from barkserve.services import ORCHESTRATOR, ServiceEntry, callees
from barkserve.serving.channel import Dialer
from barkserve.serving.health import health_check
from barkserve.v1 import status_pb2, status_pb2_grpc

_CLOCK_OFFSET_S = 5.0
_MAX_TOKEN_BYTES = 16_384
_State = status_pb2.ReplicaStatus.State
_STATES = {
    _State.STATE_SILENT: "sends no load reports",
    _State.STATE_AVOIDED: "failed recently and is avoided",
}


async def check_replicas(options: DoctorOptions) -> AsyncIterator[Finding]:
    """Find and call the replicas that the options name."""
    named = [entry for entry in callees(DoctorOptions) if getattr(options, entry.name)]
    found = await asyncio.gather(*(_service(options, entry) for entry in named))
    for findings in found:
        for finding in findings:
            yield finding


def addresses_of(options: DoctorOptions) -> dict[str, list[str]]:
    """The fixed addresses in the options, by service. Names that resolve to several have none."""
    found = {}
    for entry in callees(DoctorOptions):
        text = getattr(options, entry.name).removeprefix("static:")
        if text and not text.startswith(("dns:", "kubernetes:")):
            found[entry.name] = [part.strip() for part in text.split(",")]
    return found


async def _service(options: DoctorOptions, entry: ServiceEntry) -> list[Finding]:
    """Find the replicas of one service, and call each."""
    found: list[Finding] = []
    option = f"--{entry.name}"
    with collecting(entry.name, found):
        resolver = resolver_of(option, getattr(options, entry.name), entry.port)
        dialer = Dialer(tls_files_of(options), None, options.grpc_proxy)
        try:
            async with asyncio.timeout(options.wait_seconds), aclosing(resolver.watch()) as watched:
                endpoints = await anext(watched)
        except TimeoutError:
            endpoints = ()
        if not endpoints:
            text = f"{option} {getattr(options, entry.name)} has no replica"
            return [problem(entry.name, text, "start one, or correct the name")]
        calls = (
            _replica(options, entry, dialer, each.address, resolver.server_name)
            for each in endpoints
        )
        found += [finding for findings in await asyncio.gather(*calls) for finding in findings]
    return found


async def _replica(
    options: DoctorOptions, entry: ServiceEntry, dialer: Dialer, address: str, server_name: str
) -> list[Finding]:
    """Ask one replica whether it serves; ask an orchestrator what it sees."""
    request = health_pb2.HealthCheckRequest(service=entry.full_name)
    async with dialer.open(address, server_name) as channel:
        try:
            response = await health_check(channel)(request, timeout=options.wait_seconds)
        except grpc.aio.AioRpcError as error:
            return [_failed_call(entry.name, address, error)]
        if response.status != health_pb2.HealthCheckResponse.SERVING:
            text = f"{address} runs, and it is not ready: it loads, drains, or misses a stage"
            return [problem(entry.name, text, "its log says what it waits for")]
        found = [ok(entry.name, f"{address} is ready")]
        if entry is ORCHESTRATOR:
            found += await _seen_by(options, channel, address)
    return found


def _failed_call(service: str, address: str, error: grpc.aio.AioRpcError) -> Finding:
    details = error.details() or "no reason given"
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            text = f"{address} does not answer: it hangs, or a firewall drops packets"
            remedy = "look at its log and restart it; check firewall and network policies"
        case grpc.StatusCode.NOT_FOUND | grpc.StatusCode.UNIMPLEMENTED:
            text = f"{address} is another service, not {service}"
            remedy = f"correct --{service}"
        case _ if any(word in details.lower() for word in ("ssl", "tls", "certificate")):
            text = f"{address} and this machine do not agree on TLS ({details})"
            remedy = "compare --tls-ca with the authority of its certificate, and its names"
        case _:
            text = f"{address} cannot be reached ({details})"
            remedy = f"start it, or correct --{service}; with TLS, give --tls-ca"
    return problem(service, text, remedy)


async def _seen_by(
    options: DoctorOptions, channel: grpc.aio.Channel, address: str
) -> list[Finding]:
    """Ask an orchestrator for its replicas, and compare clocks and versions."""
    stub = status_pb2_grpc.StatusServiceStub(channel)
    try:
        metadata = _authorization(options, address)
        status = await stub.GetStatus(
            status_pb2.GetStatusRequest(), timeout=options.wait_seconds, metadata=metadata
        )
    except StartupError as error:
        return [problem("status", str(error), "give a file with one token")]
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            text = f"{address} does not say what it sees: {error.details()}"
            return [warning("status", text, "give --token-file, of a caller that may operate")]
        return [problem("status", f"{address}: {error.details()}", "see its log")]
    return [*_replica_findings(status), *_clock_findings(address, status)]


def _authorization(options: DoctorOptions, address: str) -> tuple[tuple[str, str], ...]:
    """The metadata with the token. It is not sent to another machine without TLS."""
    if not options.token_file or not (options.tls_ca or is_loopback(address)):
        return ()
    try:
        token = (
            read_regular_file(Path(options.token_file), _MAX_TOKEN_BYTES).decode("ascii").strip()
        )
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"--token-file {options.token_file} cannot be read") from error
    return (("authorization", f"Bearer {token}"),)


def _replica_findings(status: status_pb2.GetStatusResponse) -> Iterator[Finding]:
    """Judge the replicas that the orchestrator sees."""
    bad = [each for each in status.replicas if each.state in _STATES]
    for each in bad:
        reason = f": {each.reason}" if each.reason else ""
        text = f"the orchestrator sees that {each.service} {each.address} {_STATES[each.state]}"
        yield problem("replicas", f"{text}{reason}", "restart it, or see its log")
    versions = sorted({each.version for each in status.replicas if each.version})
    if len(versions) > 1:
        text = f"services of the versions {', '.join(versions)} run together"
        yield warning("replicas", text, "finish the upgrade")
    elif not bad:
        version = f" of version {versions[0]}" if versions else ""
        yield ok("replicas", f"the orchestrator sees {len(status.replicas) - 1}{version}")


def _clock_findings(address: str, status: status_pb2.GetStatusResponse) -> Iterator[Finding]:
    """Compare the clocks of the orchestrator and the stages with this one."""
    offsets = {f"orchestrator {address}": status.unix_seconds - time.time()}
    for each in status.replicas[1:]:
        offsets[f"{each.service} {each.address}"] = offsets[next(iter(offsets))]
        offsets[f"{each.service} {each.address}"] += each.clock_offset_seconds
    wrong = {name: offset for name, offset in offsets.items() if abs(offset) > _CLOCK_OFFSET_S}
    for name, offset in wrong.items():
        text = f"the clock of {name} is {offset:+.0f} s from the clock here"
        yield problem("clocks", text, "synchronize both machines with NTP")
    if not wrong:
        yield ok("clocks", f"those of {len(offsets)} services agree with this one")
