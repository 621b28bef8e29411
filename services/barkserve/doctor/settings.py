"""Checks of the settings: variables, options, packages, certificates, callers and voice store."""

import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from barkserve.config.doctor import DoctorOptions
from barkserve.config.model import check_offload
from barkserve.doctor.finding import Finding, collecting, failures, ok, problem, warning
from barkserve.errors import StartupError
from barkserve.serving.auth.authenticator import open_authenticator
from barkserve.serving.caller import CallerLimits
from barkserve.serving.exposure import check_exposure, check_wyoming_exposure
from barkserve.serving.tls import TlsFiles
from barkserve.serving.trusted_proxies import TrustedProxies
from barkserve.up.plan import NO_STORE, voice_store_of

_EXPIRES_SOON = timedelta(days=7)
_SMALL_STORE_BYTES = 100 << 20


def check_variables(unknown: Sequence[str]) -> Iterator[Finding]:
    """Report the BARKSERVE_ variables that no service reads: services refuse to start with them."""
    for name in unknown:
        text = f"the environment variable {name} is not an option"
        yield problem("variables", text, "correct or unset it; barkserve SERVICE --help lists all")
    if not unknown:
        yield ok("variables", "every BARKSERVE_ variable is an option")


def check_options(options: DoctorOptions) -> Iterator[Finding]:
    """Check that the options do not contradict each other, and that their packages are there."""
    found = list(
        failures(
            "options",
            lambda: check_offload(options.device, options.offload_idle_seconds),
            lambda: check_exposure(options),
            lambda: check_wyoming_exposure(options, options.insecure),
        )
    )
    found += failures("options", lambda: TrustedProxies.from_option(options.trusted_proxies))
    if options.http_port and find_spec("fastapi") is None:
        remedy = "run pip install 'barkserve[gateway]', or give --http-port 0"
        found.append(problem("options", "--http-port needs FastAPI, which is missing", remedy))
    server, client = (_version(name) for name in ("barkserve", "barkclient"))
    if server != client:
        text = f"barkserve {server} and barkclient {client} are installed together"
        found.append(problem("options", text, f"run pip install barkclient=={server}"))
    yield from found or [ok("options", "the options fit together")]


def check_certificates(options: DoctorOptions) -> Iterator[Finding]:
    """Check that the TLS files fit together and are valid now."""
    if not (options.tls_cert or options.tls_key or options.tls_ca):
        return
    found: list[Finding] = []
    with collecting("certificates", found):
        own = TlsFiles(options.tls_cert, options.tls_key, options.tls_ca).current().own
    if found or own is None:
        yield from found or [ok("certificates", f"authorities of {options.tls_ca}")]
    elif own.not_after - datetime.now(UTC) < _EXPIRES_SOON:
        text = f"--tls-cert {options.tls_cert} expires at {own.not_after}"
        yield warning("certificates", text, "renew it; no restart is needed")
    else:
        yield ok("certificates", f"{', '.join(own.names)}, valid until {own.not_after:%Y-%m-%d}")


def check_callers(options: DoctorOptions) -> Iterator[Finding]:
    """Check the files that say who may call."""
    found = list(failures("callers", lambda: open_authenticator(options, CallerLimits())))
    needed = options.auth_tokens or options.auth_jwks
    yield from found or [ok("callers", "tokens are checked" if needed else "no token is needed")]


def check_voice_store(options: DoctorOptions) -> Iterator[Finding]:
    """Check that created voices can be written."""
    location = voice_store_of(options.voice_store)
    if options.voice_store == NO_STORE:
        yield ok("voice store", "none")
        return
    scheme, marker, _ = location.partition("://")
    if marker:
        package = {"s3": "s3fs", "gs": "gcsfs"}.get(scheme)
        if package and find_spec(package) is None:
            text = f"--voice-store {location} needs {package}, which is missing"
            yield problem("voice store", text, f"run pip install {package}")
        else:
            yield ok("voice store", location)
        return
    path = Path(location).expanduser()
    existing = next(each for each in (path, *path.parents) if each.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        yield problem(
            "voice store",
            f"created voices cannot be written to {path}: {existing} is not a writable folder",
            "give another folder with --voice-store, or --voice-store none",
        )
    elif (free := shutil.disk_usage(existing).free) < _SMALL_STORE_BYTES:
        text = f"{path} has {free / 2**20:.0f} MiB of free space"
        yield problem("voice store", text, "free some space, or give another --voice-store")
    else:
        yield ok("voice store", f"{path}, {free / 2**30:.0f} GiB free")


def tls_files_of(options: DoctorOptions) -> TlsFiles | None:
    """The TLS files of calls to other services; None: plaintext, or `check_certificates` failed."""
    if not options.tls_ca:
        return None
    try:
        return TlsFiles(options.tls_cert, options.tls_key, options.tls_ca)
    except StartupError:
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
