"""TLS between services: accepted and refused certificates, and certificate rotation."""

import asyncio
import datetime
import shutil
import socket
import ssl
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from barkserve.discovery.endpoint import Endpoint
from barkserve.discovery.replica import Replica
from barkserve.errors import StartupError
from barkserve.serving.channel import Dialer
from barkserve.serving.load import Load
from barkserve.serving.ports import bind
from barkserve.serving.publishing import publish
from barkserve.serving.service import Service
from barkserve.serving.tls import TlsFiles
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.support.certificates import DAY, Authority, Files
from tests.support.fakes import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


def tls(files: Files, ca: bool = True) -> TlsFiles:
    return TlsFiles(files.certificate, files.key, files.ca if ca else "", reload_s=0.0)


@asynccontextmanager
async def serving(files: TlsFiles, mutual: bool = True) -> AsyncIterator[str]:
    """A server with only health and load reports; yields its address."""
    server = grpc.aio.server()
    port = bind(server, "127.0.0.1", 0, files.server_credentials(mutual))
    await publish(server, Service("test.Nothing", lambda _: None, load=lambda: Load(slots=3)))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=None)


async def answers(channel: grpc.aio.Channel) -> bool:
    async with channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        code = await call.code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    return code is grpc.StatusCode.OK


async def test_services_of_one_authority_trust_each_other(authority: Authority) -> None:
    files = tls(authority.issue())
    async with serving(files) as address:
        assert await answers(Dialer(files).open(address))
        assert await answers(Dialer(files).open(address, "bark-codec.speech.svc"))
        assert not await answers(Dialer(files).open(address, "bark-fine.speech.svc"))


async def test_unknown_certificates_are_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "theirs", "stranger").issue()
    trusting = Files(stranger.certificate, stranger.key, str(authority.path))
    async with serving(tls(authority.issue())) as address:
        assert not await answers(Dialer().open(address))
        assert not await answers(Dialer(tls(stranger)).open(address))
        assert not await answers(Dialer(tls(trusting)).open(address))


async def test_without_ca_clients_need_no_certificate(authority: Authority) -> None:
    files = authority.issue()
    async with serving(tls(files, ca=False), mutual=False) as address:
        credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
        assert await answers(grpc.aio.secure_channel(address, credentials))


def serial(address: str, authority: Authority) -> int:
    """The serial number of a server's certificate."""
    context = ssl.create_default_context(cafile=str(authority.path))
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(True) or b"").serial_number


async def test_replaced_certificate_is_used_without_a_restart(authority: Authority) -> None:
    files = tls(authority.issue())
    async with serving(files, mutual=False) as address:
        replica = Replica(Endpoint(address), Dialer(files), "")
        replica.listen()
        await until(lambda: replica.load == Load(slots=3))
        before = await asyncio.to_thread(serial, address, authority)
        with replica.stream() as old:
            authority.issue()
            assert await asyncio.to_thread(serial, address, authority) != before
            with replica.stream() as new:
                assert new is not old
                stub = health_pb2_grpc.HealthStub(old)
                assert (await stub.Check(health_pb2.HealthCheckRequest())).status == 1
                stub = health_pb2_grpc.HealthStub(new)
                assert (await stub.Check(health_pb2.HealthCheckRequest())).status == 1
        await replica.close()


def test_certificate_without_its_key_is_not_used(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue()
    files = tls(issued)
    first = files.current()
    other = authority.issue("other")
    shutil.copy(other.certificate, issued.certificate)
    assert files.current() == first
    shutil.copy(other.key, issued.key)
    assert files.current().version == first.version + 1
    Path(issued.certificate).unlink()
    assert files.current().version == first.version + 1


@pytest.mark.parametrize(
    ("starts", "ends", "reason"),
    [(-2 * DAY, -DAY, "expired at"), (DAY, 2 * DAY, "is not valid before")],
)
def test_certificate_outside_its_validity_is_not_used(
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    starts: datetime.timedelta,
    ends: datetime.timedelta,
    reason: str,
) -> None:
    issued = authority.issue()
    files = tls(issued)
    first, expiry = files.current(), files.expiry_timestamp()
    assert abs(expiry - time.time() - DAY.total_seconds()) < 3600
    authority.issue(starts=starts, ends=ends)
    for _ in range(3):
        assert files.current() == first
    assert files.expiry_timestamp() == expiry
    (warning,) = caplog.messages  # not once per check
    assert "the old TLS certificate stays in use" in warning
    assert f"--tls-cert {issued.certificate} {reason}" in warning
    with pytest.raises(StartupError, match=reason):
        tls(issued)
    authority.issue(ends=3 * DAY)
    assert files.current().version == first.version + 1
    assert abs(files.expiry_timestamp() - expiry - 2 * DAY.total_seconds()) < 3600


@pytest.mark.parametrize(("after", "word"), [(0.5, ""), (0.95, "expires"), (1.1, "expired")])
def test_expiry_of_certificate_in_use_is_logged(
    authority: Authority, caplog: pytest.LogCaptureFixture, after: float, word: str
) -> None:
    issued = authority.issue()
    start = datetime.datetime.now(datetime.UTC)
    now = [start]
    files = TlsFiles(issued.certificate, issued.key, reload_s=0.0, now=lambda: now[0])
    now[0] = start - DAY + after * 2 * DAY
    files.current()
    files.current()
    assert len(caplog.messages) == bool(word)
    assert f"the TLS certificate in use {word}" in caplog.text or not word


async def test_quiet_server_follows_its_files(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    files = authority.issue()
    followed = TlsFiles(files.certificate, files.key, reload_s=0.01)
    async with followed.following():
        authority.issue()
        await until(lambda: "new TLS certificates are in use" in caplog.text)


async def test_service_exports_the_expiry_of_its_certificate(
    authority: Authority, checkpoint_of: Callable[[CheckpointSpec], Path]
) -> None:
    files = authority.issue(ends=10 * DAY)
    words = ["codec", f"--checkpoint={checkpoint_of(TINY)}", f"--tls-cert={files.certificate}"]
    port = free_port()
    words += [f"--tls-key={files.key}", "--port=0", f"--metrics-port={port}"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "barkserve", *words)
    try:
        page = await asyncio.wait_for(asyncio.to_thread(metrics_page, port), 60)
    finally:
        process.terminate()
        await process.wait()
    name = 'barkserve_tls_certificate_expiry_timestamp_seconds{stage="codec"}'
    (value,) = (line.split()[-1] for line in page.splitlines() if line.startswith(name))
    assert abs(float(value) - time.time() - 10 * DAY.total_seconds()) < 3600


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metrics_page(port: int) -> str:
    """The metrics of a service, once it serves them."""
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.05)


def test_invalid_tls_files_are_named(authority: Authority, tmp_path: Path) -> None:
    files, other = authority.issue(), authority.issue("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for arguments, message in (
        ((files.certificate, ""), "--tls-cert and --tls-key go together"),
        ((files.certificate, str(tmp_path / "absent")), "--tls-key: cannot read .*absent"),
        ((files.certificate, other.key), "not a PEM certificate and its key"),
        ((str(empty), files.key), "not a PEM certificate and its key"),
        ((files.certificate, files.key, str(empty)), "--tls-ca .* has no PEM certificate"),
    ):
        with pytest.raises(StartupError, match=message):
            TlsFiles(*arguments)
    with pytest.raises(StartupError, match="needs --tls-cert"):
        TlsFiles("", "", files.ca).server_credentials(True)
