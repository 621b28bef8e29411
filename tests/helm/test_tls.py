"""Certificates: who shows which, for which names."""

from tests.helm.chart import STAGES, Release, ci

SERVICES = ("orchestrator", *STAGES, "autoscaler")


def test_every_service_shows_its_own_certificate_and_trusts_one_authority() -> None:
    release = Release(ci("tls"))
    for service in SERVICES:
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


def test_certificates_hold_the_name_that_callers_check() -> None:
    release = Release(ci("tls"))
    for stage in STAGES:
        names = release.one("Certificate", f"bark-{stage}")["spec"]["dnsNames"]
        assert (
            f"bark-{stage}.speech.svc" in names
        )  # what the orchestrator expects of a pod's address
    names = release.one("Certificate", "bark-orchestrator")["spec"]["dnsNames"]
    assert {"bark", "bark.speech.svc", "speech.example.org", "localhost"} <= set(names)
    names = release.one("Certificate", "bark-autoscaler")["spec"]["dnsNames"]
    assert "bark-autoscaler.speech.svc" in names  # what KEDA calls


def test_given_secrets_are_used_as_they_are() -> None:
    release = Release(ci("tls-secrets"))
    assert release.all("Certificate") == {}
    for service, secret in [("coarse", "stage-cert"), ("orchestrator", "orchestrator-cert")]:
        (volume,) = (each for each in release.pod(service)["volumes"] if each["name"] == "tls")
        assert volume["secret"]["secretName"] == secret


def test_only_the_orchestrator_lets_anyone_in_and_only_when_asked() -> None:
    release = Release(ci("tls-secrets"))
    assert "--tls-clients=anyone" in release.container("orchestrator")["args"]
    assert not any("--tls-clients" in word for word in release.container("coarse")["args"])
    assert "--tls-clients=certificate" in Release(ci("tls")).container("orchestrator")["args"]


def test_without_tls_there_is_no_trace_of_it() -> None:
    release = Release()
    for service in SERVICES[:-1]:
        assert not any("tls" in word for word in release.container(service)["args"])
        assert "tls" not in {each["name"] for each in release.pod(service)["volumes"]}
