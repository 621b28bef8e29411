"""Certificates: which service has which, and for which names."""

import argparse
from typing import Any

import pytest

from barkserve.config.process import ProcessOptions
from barkserve.constants import STAGES
from barkserve.options import add_options, read_options
from barkserve.services import service_named
from barkserve.serving.exposure import check_exposure
from tests.helm.chart import GRPC_SERVICES, PRODUCTION, SERVICES, Release, ci, complaints, values_of

WITHOUT_HTTP = {"services": {"gateway": {"enabled": False}}}


def test_each_service_has_a_certificate_of_one_authority() -> None:
    release = Release(ci("tls"))
    for service in GRPC_SERVICES:
        args = release.container(service)["args"]
        assert {"--tls-cert=/tls/tls.crt", "--tls-key=/tls/tls.key", "--tls-ca=/tls/ca.crt"} < {
            *args
        }
        (secret,) = (
            each["secret"] for each in release.pod(service)["volumes"] if each["name"] == "tls"
        )
        certificate = release.one("Certificate", f"bark-{service}")["spec"]
        assert secret["secretName"] == certificate["secretName"]
        assert certificate["issuerRef"]["name"] == "speech-ca"
        assert {"server auth", "client auth"} <= set(certificate["usages"])


def test_certificates_have_the_names_that_callers_check() -> None:
    release = Release(ci("tls"))
    for stage in STAGES:
        names = release.one("Certificate", f"bark-{stage}")["spec"]["dnsNames"]
        assert (
            f"bark-{stage}.speech.svc" in names
        )  # the name that the orchestrator expects of a replica
    names = release.one("Certificate", "bark-orchestrator")["spec"]["dnsNames"]
    assert {"bark", "bark.speech.svc", "speech.example.org"} <= set(names)
    assert "localhost" not in names
    names = release.one("Certificate", "bark-autoscaler")["spec"]["dnsNames"]
    assert "bark-autoscaler.speech.svc" in names  # the address that KEDA calls


def test_localhost_is_requested_only_when_asked() -> None:
    values = ci("tls")
    values["tls"]["certManager"]["localhost"] = True
    names = Release(values).one("Certificate", "bark-orchestrator")["spec"]["dnsNames"]
    assert "localhost" in names
    names = Release(ci("tls")).one("Certificate", "bark-orchestrator")["spec"]["dnsNames"]
    assert "localhost" not in names


def test_given_secrets_are_used() -> None:
    release = Release(ci("tls-secrets"))
    assert release.all("Certificate") == {}
    for service, secret in [("coarse", "stage-cert"), ("orchestrator", "orchestrator-cert")]:
        (volume,) = (each for each in release.pod(service)["volumes"] if each["name"] == "tls")
        assert volume["secret"]["secretName"] == secret


def test_only_orchestrator_may_accept_any_client() -> None:
    release = Release(ci("tls-secrets"))
    assert "--tls-clients=anyone" in release.container("orchestrator")["args"]
    assert not any("--tls-clients" in word for word in release.container("coarse")["args"])
    assert "--tls-clients=certificate" in Release(ci("tls")).container("orchestrator")["args"]


def test_default_values_allow_plaintext_explicitly() -> None:
    release = Release()
    for service in SERVICES[:-1]:
        assert "--insecure" in release.container(service)["args"]


@pytest.mark.parametrize("values", [ci("tls"), values_of(PRODUCTION)])
def test_tls_values_require_authentication(values: dict[str, Any]) -> None:
    release = Release(values | {"autoscaling": {"mode": "keda"}})
    for service in GRPC_SERVICES:
        chosen = options_of(release, service)
        assert not chosen.insecure
        check_exposure(chosen)  # raises if the service would refuse to start


def test_only_orchestrator_and_autoscaler_may_call_stages() -> None:
    release = Release(ci("tls"))
    for stage in STAGES:
        roles = options_of(release, stage).certificate_roles
        assert (
            roles == "call-stages=bark-orchestrator.speech.svc,operate=bark-autoscaler.speech.svc"
        )
    for service in ("orchestrator", "autoscaler"):
        names = release.one("Certificate", f"bark-{service}")["spec"]["dnsNames"]
        assert f"bark-{service}.speech.svc" in names
        assert options_of(release, service).certificate_roles == ""


def test_identities_may_be_uris() -> None:
    spiffe = "spiffe://example.org/orchestrator"
    tls = values_of(PRODUCTION)["tls"] | {"identities": {"orchestrator": spiffe}}
    release = Release({"tls": tls | {"roles": "speak=web.example.org"}, **WITHOUT_HTTP})
    assert options_of(release, "codec").certificate_roles == f"call-stages={spiffe}"
    assert options_of(release, "orchestrator").certificate_roles == "speak=web.example.org"


def test_production_values_turn_reflection_off() -> None:
    production, default = Release(values_of(PRODUCTION)), Release()
    for service in GRPC_SERVICES[:-1]:
        assert options_of(production, service).reflection == "off"
        assert options_of(default, service).reflection == "on"


def options_of(release: Release, service: str) -> ProcessOptions:
    """The options that a service reads from the arguments of its container."""
    kind = service_named(service).options
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, kind)
    return read_options(kind, parser.parse_args(release.container(service)["args"][1:]), {})


def test_no_tls_options_without_tls() -> None:
    release = Release()
    for service in SERVICES[:-1]:
        assert not any("tls" in word for word in release.container(service)["args"])
        assert "tls" not in {each["name"] for each in release.pod(service)["volumes"]}


def test_kubelet_requests_certificates() -> None:
    release = Release(ci("pod-certificates"))
    certificate, trust = release.volume("coarse", "tls")["projected"]["sources"]
    assert certificate["podCertificate"]["signerName"] == "example.org/speech"
    assert certificate["podCertificate"]["certificateChainPath"] == "tls.crt"
    assert certificate["podCertificate"]["keyPath"] == "tls.key"
    assert trust["clusterTrustBundle"]["path"] == "ca.crt"
    assert release.all("Certificate") == {}
    identity = "--certificate-roles=call-stages=spiffe://example.org/ns/speech/sa/bark-orchestrator"
    assert identity in release.container("coarse")["args"]


def test_authorities_may_be_in_a_bundle() -> None:
    values = ci("tls")
    values["tls"]["trustBundle"] = {"configMap": "authorities", "key": "root.pem"}
    secret, bundle = Release(values).volume("fine", "tls")["projected"]["sources"]
    assert [each["path"] for each in secret["secret"]["items"]] == ["tls.crt", "tls.key"]
    assert bundle["configMap"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]


def test_certificates_may_be_on_any_volume() -> None:
    csi = {"csi": {"driver": "csi.cert-manager.io", "readOnly": True}}
    tls = {"enabled": True, "source": "volume", "volume": csi}
    release = Release({"tls": tls})
    assert release.volume("codec", "tls") == csi
    assert "KEDA reads its certificate from a Secret" in complaints(
        {"tls": tls, "autoscaling": {"mode": "keda"}}
    )
