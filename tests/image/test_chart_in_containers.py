"""Chart and image together: the chart's pods run as containers that find each other by name.

`make test-image` builds the image.
"""

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from barkserve.checkpoint.folder import bundled_checkpoint
from barkserve.constants import STAGES
from tests.helm.chart import Release
from tests.image.container import IMAGE, podman
from tests.image.pods import Pods, pods

ROOT = Path(__file__).parents[2]
SERVICES = (*STAGES, "orchestrator", "gateway", "autoscaler")
SPEAKING = {*STAGES, "orchestrator", "gateway"}
# No Service maps its port to the containers here.
VALUES = {"discovery": "dns", "exposure": {"http": {"service": {"port": 8080}}}}
TLS = {
    "enabled": True,
    "source": "secret",
    "secrets": {service: service for service in SERVICES},
}

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="`make test-image` builds and runs the image"),
    pytest.mark.timeout(600),
]


async def test_pods_start_speak_and_drain(tmp_path: Path) -> None:
    release = Release(VALUES)
    with pods(release, tmp_path) as running:
        assert await _ready(running) == SPEAKING
        assert _spoken(running) == 0, running.log("orchestrator") + running.log("gateway")
        for service in list(running.names):
            assert running.terminate(service) == 0, running.log(service)


async def test_pods_with_tls_speak_and_pass_probes(
    tmp_path: Path,
) -> None:
    release = Release(VALUES | {"tls": TLS, "autoscaling": {"mode": "keda"}})
    with pods(release, tmp_path, _secrets(tmp_path)) as running:
        assert await _ready(running) == set(SERVICES)
        assert _spoken(running) == 0, running.log("orchestrator") + running.log("gateway")


async def test_pods_fetch_only_their_part_of_a_checkpoint_volume(tmp_path: Path) -> None:
    volume = {"claimName": "models", "path": "bark-mini"}
    release = Release(VALUES | {"weights": {"source": "volume", "volume": volume}})
    with pods(release, tmp_path, {"models": bundled_checkpoint().parent}) as running:
        assert await _ready(running) == SPEAKING
        assert _spoken(running) == 0, running.log("orchestrator") + running.log("gateway")
    whole = (bundled_checkpoint() / "model.safetensors").stat().st_size
    for stage in STAGES:
        share = tmp_path / f"bark-{stage}-weights" / stage / "model.safetensors"
        assert 0 < share.stat().st_size < whole * 0.7


async def test_pods_read_their_part_from_an_image_of_its_own(tmp_path: Path) -> None:
    """`make weights` builds the images; podman mounts them as a kubelet mounts image volumes."""
    _build_weights("localhost/weights", "test")
    image = {"reference": "localhost/weights/{service}:test"}
    release = Release(VALUES | {"weights": {"source": "image", "mount": "direct", "image": image}})
    with pods(release, tmp_path) as running:
        assert await _ready(running) == SPEAKING
        assert _spoken(running) == 0, running.log("orchestrator") + running.log("gateway")
    whole = (bundled_checkpoint() / "model.safetensors").stat().st_size
    for stage in STAGES:
        (found,) = json.loads(podman("image", "inspect", f"localhost/weights/{stage}:test").stdout)
        assert 0 < found["Size"] < whole * 0.7


def _build_weights(name: str, tag: str) -> None:
    """Build images of the bundled model with `make weights`."""
    build = "buildah bud --isolation chroot --network host --ulimit nofile=1024:4096"
    build += f" --volume {bundled_checkpoint()}:/checkpoint:ro"
    settings = {"IMAGE_BUILD": build, "IMAGE": IMAGE, "CHECKPOINT": "/checkpoint"}
    settings |= {"WEIGHTS_IMAGE": name, "WEIGHTS_TAG": tag}
    words = [f"{name}={value}" for name, value in settings.items()]
    subprocess.run(["make", "weights", *words], cwd=ROOT, check=True)


async def _ready(running: Pods) -> set[str]:
    """Start all services and return those whose probes pass."""
    services = [name.removeprefix("bark-") for name in running.release.all("Deployment")]
    for service in services:
        running.start(service)
    for service in services:
        await running.ready(service)
    return set(services)


def _spoken(running: Pods) -> int:
    """Run the pods of `helm test`, which speak a sentence; return the first bad exit code, or 0."""
    done = [running.run(pod) for pod in running.release.all("Pod").values()]
    assert len(done) == 2
    for each in done:
        print(each.stdout, each.stderr)  # pytest shows it if the test fails
    return max(each.returncode for each in done)


def _secrets(folder: Path) -> dict[str, Path]:
    """Return folders with the files that cert-manager puts into each service's Secret."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", [], authority_key, authority_key, None)
    for service in SERVICES:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [f"bark-{service}", f"bark-{service}.speech.svc", "bark", "bark-http"]
        certificate = _certificate(service, names, key, authority_key, authority)
        secret = folder / service
        secret.mkdir(mode=0o755)
        (secret / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (secret / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        (secret / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    folder.chmod(0o755)
    return {service: folder / service for service in SERVICES}


def _certificate(
    name: str,
    dns_names: list[str],
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if dns_names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in dns_names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signer, hashes.SHA256())
