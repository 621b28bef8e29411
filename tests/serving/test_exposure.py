"""Services refuse to listen beyond this machine without TLS and authentication."""

import subprocess
import sys

import pytest

from barkserve.config.gateway import WyomingOptions
from barkserve.config.orchestrator import OrchestratorOptions
from barkserve.config.process import ListenOptions
from barkserve.config.stages import CodecOptions
from barkserve.config.up import UpOptions
from barkserve.errors import StartupError
from barkserve.serving.exposure import check_exposure, check_wyoming_exposure
from barkserve.up.plan import plan_services
from fixtures.processes import free_port

TLS = {"tls_cert": "tls.crt", "tls_key": "tls.key"}


@pytest.mark.parametrize(
    "options",
    [
        CodecOptions(),
        CodecOptions(host="localhost"),
        CodecOptions(host="127.3.2.1"),
        CodecOptions(host="[::1]"),
        CodecOptions(host="0.0.0.0", insecure=True),
        CodecOptions(host="0.0.0.0", tls_ca="ca.crt", **TLS),
        OrchestratorOptions(host="[::]", tls_ca="ca.crt", **TLS),
        OrchestratorOptions(host="0.0.0.0", auth_tokens="tokens.toml", **TLS),
        OrchestratorOptions(host="0.0.0.0", auth_jwks="jwks.json", **TLS),
        CodecOptions(host="no-such-host.invalid"),  # the bind says so
    ],
)
def test_protected_service_may_listen(options: ListenOptions) -> None:
    check_exposure(options)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (CodecOptions(host="0.0.0.0"), "no TLS: give --tls-cert and --tls-key"),
        (CodecOptions(host="[::]"), "no TLS: give --tls-cert and --tls-key"),
        (CodecOptions(host="192.0.2.1"), "no TLS: give --tls-cert and --tls-key"),
        (CodecOptions(host="0.0.0.0", **TLS), "no authentication: give --tls-ca"),
        (
            OrchestratorOptions(host="0.0.0.0", tls_ca="ca.crt", tls_clients="anyone", **TLS),
            "no authentication: give --auth-tokens or --auth-jwks or --tls-ca",
        ),
    ],
)
def test_exposed_service_is_refused(options: ListenOptions, missing: str) -> None:
    with pytest.raises(StartupError, match=missing):
        check_exposure(options)


def test_wyoming_port_of_this_machine_may_listen() -> None:
    check_wyoming_exposure(WyomingOptions(wyoming_port=10200), insecure=False)
    check_wyoming_exposure(WyomingOptions(wyoming_host="0.0.0.0"), insecure=False)  # no port
    check_wyoming_exposure(WyomingOptions(10200, "0.0.0.0"), insecure=True)


def test_exposed_wyoming_port_is_refused() -> None:
    """Also with TLS and tokens: the protocol has neither."""
    with pytest.raises(StartupError, match=r"--wyoming-host 0\.0\.0\.0 .* add --insecure"):
        check_wyoming_exposure(WyomingOptions(10200, "0.0.0.0"), insecure=False)
    with pytest.raises(StartupError, match="--wyoming-host"):
        plan_services(UpOptions(http_port=free_port(), wyoming_host="0.0.0.0"))


@pytest.mark.parametrize("service", ["orchestrator", "coarse", "autoscaler", "up"])
def test_exposed_process_ends_with_one_line(service: str) -> None:
    words = [sys.executable, "-m", "barkserve", service, "--host=0.0.0.0"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"barkserve {service}: --host 0.0.0.0 lets other machines call this service, which has no "
        "TLS: give --tls-cert and --tls-key, or listen on 127.0.0.1, or add --insecure if a "
        "firewall or proxy protects the port\n"
    )
