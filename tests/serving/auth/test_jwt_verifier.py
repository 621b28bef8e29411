"""JSON web tokens: what is accepted, what is refused, and the rotation of keys."""

import asyncio
import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest

from barkserve.errors import KeysUnavailable, StartupError, Unauthenticated
from barkserve.serving.auth.jwt_verifier import JwtVerifier
from barkserve.serving.auth.key_set import FileKeys, KeySet, UrlKeys, open_key_set
from barkserve.serving.caller import Caller, CallerLimits, Role
from tests.support.certificates import Authority
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider

DEFAULT = CallerLimits(streams=4)


@pytest.fixture
def provider() -> IdentityProvider:
    return IdentityProvider()


def keys_of(provider: IdentityProvider, folder: Path) -> FileKeys:
    path = folder / "jwks.json"
    path.write_text(json.dumps(provider.document))
    return FileKeys(str(path))


def verifier(keys: KeySet, roles_claim: str = "scope") -> JwtVerifier:
    return JwtVerifier(keys, ISSUER, AUDIENCE, roles_claim, DEFAULT)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_claims_give_name_roles_and_limits(
    provider: IdentityProvider, tmp_path: Path, algorithm: str
) -> None:
    provider.rotate("first", algorithm)
    token = provider.token(
        scope="openid barkserve:speak barkserve:operate",
        barkserve_limits={"characters_per_minute": 900},
    )
    caller = await verifier(keys_of(provider, tmp_path)).caller_of(token)
    limits = CallerLimits(streams=4, characters_per_minute=900)
    assert caller == Caller("bot", {Role.SPEAK, Role.OPERATE}, limits)


async def test_roles_may_be_a_list_in_another_claim(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    keys = keys_of(provider, tmp_path)
    token = provider.token(roles=["barkserve:manage-voices", "admin"], scope=None)
    assert (await verifier(keys, "roles").caller_of(token)).roles == {Role.MANAGE_VOICES}


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": int(time.time()) - 60}, "has expired"),
        ({"nbf": int(time.time()) + 600}, "not yet valid"),
        ({"iss": "https://other.example"}, "[Ii]ssuer"),
        ({"aud": "another-service"}, "[Aa]udience"),
        ({"exp": None}, '"exp" claim'),
        ({"aud": None}, '"aud" claim'),
        ({"iss": None}, '"iss" claim'),
        ({"sub": None}, '"sub" claim'),
        ({"sub": "a\nb"}, "cannot be printed"),
        ({"scope": "openid"}, "'scope' has no role such as barkserve:speak"),
        ({"scope": 3}, "neither a list nor a text"),
        ({"scope": "barkserve:sing"}, "'sing' is not a role"),
        ({"barkserve_limits": {"streams": "many"}}, "streams must be a whole number"),
        ({"barkserve_limits": 3}, "not an object"),
    ],
)
async def test_wrong_claims_are_refused(
    provider: IdentityProvider, tmp_path: Path, claims: dict[str, Any], message: str
) -> None:
    token = provider.token(**claims)
    with pytest.raises(Unauthenticated, match=message) as caught:
        await verifier(keys_of(provider, tmp_path)).caller_of(token)
    assert token not in str(caught.value)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_forged_tokens_are_refused(provider: IdentityProvider, tmp_path: Path) -> None:
    keys = keys_of(provider, tmp_path)
    valid = provider.token()
    _, payload, signature = valid.split(".")
    public = json.dumps(provider.document["keys"][0]).encode()
    other = IdentityProvider().token()  # the same key id, another key
    unsigned = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{payload}"
    mac = hmac.digest(public, unsigned.encode(), "sha256")
    forged = [
        other,
        f"{unsigned}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}",
        f"{encoded({'alg': 'none', 'kid': 'first'})}.{payload}.",
        f"{encoded({'alg': 'RS256', 'kid': 'first'})}.{payload}.{signature}",
        f"{encoded({'alg': 'ES256', 'kid': 'second'})}.{payload}.{signature}",
        f"{encoded({'alg': 'ES256'})}.{payload}.{signature}",
        valid[:-8],
        "a.b.c",
        "..",
        "",
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            await verifier(keys).caller_of(token)
    assert (await verifier(keys).caller_of(valid)).name == "bot"


async def test_rotated_key_is_fetched_when_its_first_token_comes(
    provider: IdentityProvider,
) -> None:
    with provider.serving():
        verify = verifier(UrlKeys(provider.url, min_refetch_s=0.0)).caller_of
        assert (await verify(provider.token())).name == "bot"
        provider.rotate("second")
        assert (await verify(provider.token("second"))).name == "bot"
        with pytest.raises(Unauthenticated, match="'first' is not in --auth-jwks"):
            await verify(provider.token("first"))


async def test_unknown_keys_cause_one_fetch_per_interval(provider: IdentityProvider) -> None:
    with provider.serving():
        verify = verifier(UrlKeys(provider.url)).caller_of
        await verify(provider.token())
        provider.rotate("second")
        tokens = [provider.token("second") for _ in range(50)]
        results = await asyncio.gather(*map(verify, tokens), return_exceptions=True)
        assert {type(result) for result in results} == {Unauthenticated}
        assert provider.fetches == 1


async def test_concurrent_callers_share_one_fetch(provider: IdentityProvider) -> None:
    with provider.serving():
        verify = verifier(UrlKeys(provider.url)).caller_of
        callers = await asyncio.gather(*(verify(provider.token()) for _ in range(20)))
        assert {caller.name for caller in callers} == {"bot"}
        assert provider.fetches == 1


async def test_old_keys_stay_while_the_provider_is_down(
    provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    keys = UrlKeys("http://127.0.0.1:9/jwks", min_refetch_s=0.0)
    with pytest.raises(KeysUnavailable, match=r"could not be fetched from http://127.0.0.1:9/jwks"):
        await verifier(keys).caller_of(provider.token())
    with provider.serving():
        keys = UrlKeys(provider.url, min_refetch_s=0.0)
        await verifier(keys).caller_of(provider.token())
    provider.rotate("second")
    with pytest.raises(Unauthenticated):
        await verifier(keys).caller_of(provider.token("second"))
    assert (await verifier(keys).caller_of(provider.token("first"))).name == "bot"
    assert "the old keys stay in use" in caplog.text


async def test_changed_key_file_is_used(provider: IdentityProvider, tmp_path: Path) -> None:
    keys = keys_of(provider, tmp_path)
    task = asyncio.create_task(keys.follow())
    provider.rotate("second")
    (tmp_path / "jwks.json").write_text(json.dumps(provider.document))
    for _ in range(200):
        if await keys.find("second"):
            break
        await asyncio.sleep(0.05)
    assert (await verifier(keys).caller_of(provider.token("second"))).name == "bot"
    task.cancel()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "list of `keys`"),
        ("{}", "list of `keys`"),
        ("{", "not valid"),
        ('{"keys": [{"kty": "oct", "kid": "x", "k": "c2VjcmV0"}]}', "no public signature key"),
    ],
)
def test_invalid_key_file_is_an_error(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(content)
    with pytest.raises(StartupError, match=f"--auth-jwks.*{message}"):
        open_key_set(str(path))


@pytest.mark.parametrize("url", ["http://login.example/jwks", "file:///etc/passwd", "ftp://x/y"])
def test_key_url_must_be_https(url: str) -> None:
    with pytest.raises(StartupError, match="give a file or an https URL"):
        open_key_set(url)


async def test_keys_come_over_https_from_a_private_authority(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    ca = str(authority.path)
    with provider.serving(authority.issue("login")):
        caller = await verifier(open_key_set(provider.url, ca)).caller_of(provider.token())
        assert caller.name == "bot"
        with pytest.raises(KeysUnavailable, match="--auth-jwks"):
            await verifier(open_key_set(provider.url)).caller_of(provider.token())
        assert provider.fetches == 1
        other = str(Authority(tmp_path / "other").path)
        with pytest.raises(KeysUnavailable):
            await verifier(open_key_set(provider.url, other)).caller_of(provider.token())
        empty = tmp_path / "empty.pem"
        empty.touch()
        for wrong, reason in ((empty, "PEM"), (tmp_path / "missing", "cannot read")):
            with pytest.raises(StartupError, match=f"--auth-jwks-ca: .*{reason}"):
                open_key_set(provider.url, str(wrong))
    with pytest.raises(StartupError, match="--auth-jwks-ca needs an https URL"):
        open_key_set(str(tmp_path / "jwks.json"), ca)
