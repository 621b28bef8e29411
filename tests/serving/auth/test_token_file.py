"""The file of --auth-tokens: its entries, its errors and its reloading."""

import asyncio
import datetime
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from barkserve.config.authentication import TokenOptions
from barkserve.errors import StartupError, Unauthenticated
from barkserve.serving.auth.command import print_token
from barkserve.serving.auth.token import hash_of
from barkserve.serving.auth.token_file import TokenFile, parse_token_file
from barkserve.serving.caller import Caller, CallerLimits, Role
from tests.support.fakes import until

NO_LIMITS = CallerLimits()
HASH = hash_of("secret")


def entry(name: str = "bot", token: str = "secret", more: str = "") -> str:
    return (
        f'[[caller]]\nname = "{name}"\ntoken_sha256 = "{hash_of(token)}"\nroles = ["speak"]\n{more}'
    )


def test_entry_gives_name_roles_limits_and_expiry() -> None:
    text = f"""
    [[caller]]
    name = "phone-bot"
    token_sha256 = "{HASH}"
    roles = ["speak", "manage-voices"]
    streams = 8
    requests_per_second = 2.5
    expires = 2030-01-31T01:00:00+01:00
    """
    parsed = parse_token_file(text.encode(), CallerLimits(1, 600, None))[HASH]
    limits = CallerLimits(8, 600, 2.5)
    assert parsed.caller == Caller("phone-bot", {Role.SPEAK, Role.MANAGE_VOICES}, limits)
    assert parsed.expires == datetime.datetime(2030, 1, 31, tzinfo=datetime.UTC)


@pytest.mark.parametrize(("name", "caller"), [("security", "phone-bot"), ("tenants", "acme")])
def test_documented_entry_is_valid(name: str, caller: str) -> None:
    page = (Path(__file__).parents[3] / f"docs/{name}.md").read_text()
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    text = re.sub(r"(?<=token_sha256 = \").*(?=\")", HASH, text)
    parsed = parse_token_file(text.encode(), NO_LIMITS)[HASH].caller
    assert parsed == Caller(caller, {Role.SPEAK}, CallerLimits(8, 20_000, 5.0))


def test_zero_in_an_entry_removes_the_default_limit() -> None:
    text = entry(more="streams = 0\n")
    limits = parse_token_file(text.encode(), CallerLimits(streams=1))[HASH].caller.limits
    assert limits == NO_LIMITS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no .*caller.* table"),
        ("[[callers]]\n", "'callers' is unknown"),
        ("[[caller]\n", "line 1"),
        (entry(more="stream = 1\n"), "table 1: 'stream' is unknown"),
        (entry(more="streams = -1\n"), "streams must be from 0"),
        (entry(more="streams = 1.5\n"), "streams must be a whole number"),
        (entry(more="requests_per_second = nan\n"), "requests_per_second must be from 0"),
        (entry(more="streams = true\n"), "streams must be a whole number"),
        (entry(more="expires = 2030-01-31T00:00:00\n"), "time zone"),
        (entry(name=""), "name must be a text"),
        (entry(name="a\\nb"), "cannot be printed"),
        (entry() + entry(name="other"), "table 2: another entry has the same token"),
        (entry().replace("speak", "talk"), "'talk' is not a role: speak, manage-voices, operate"),
        (entry().replace('["speak"]', "[]"), "at least one of"),
        (entry().replace(HASH, "secret"), "64 hexadecimal digits"),
    ],
)
def test_invalid_file_is_an_error_that_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(StartupError, match=f"--auth-tokens: .*tokens.toml is not valid.*{message}"):
        TokenFile(str(path), NO_LIMITS)


def test_missing_file_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"--auth-tokens: cannot read .*missing"):
        TokenFile(str(tmp_path / "missing"), NO_LIMITS)


def test_expired_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(
        entry(more="expires = 2020-01-01\n") + entry("new", "other", "expires = 2120-01-01\n")
    )
    file = TokenFile(str(path), NO_LIMITS)
    with pytest.raises(Unauthenticated, match="token of bot expired at 2020-01-01 00:00 UTC"):
        file.caller_of("secret")
    assert file.caller_of("other").name == "new"
    with pytest.raises(Unauthenticated, match="unknown or was revoked") as caught:
        file.caller_of("guess")
    assert "guess" not in str(caught.value)


@asynccontextmanager
async def following(file: TokenFile) -> AsyncIterator[None]:
    task = asyncio.create_task(file.follow())
    yield
    task.cancel()


def known(file: TokenFile, token: str) -> bool:
    try:
        file.caller_of(token)
    except Unauthenticated:
        return False
    return True


async def test_changed_file_is_used_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(entry())
    file = TokenFile(str(path), NO_LIMITS)
    async with following(file):
        path.write_text(entry("new", "other"))
        await until(lambda: known(file, "other") and not known(file, "secret"))
        path.write_text("[[caller]\n")
        await until(lambda: "the old content stays in use: --auth-tokens" in caplog.text)
        assert known(file, "other")
        path.unlink()
        await until(lambda: "cannot read" in caplog.text)
        assert known(file, "other")
        path.write_text(entry())
        await until(lambda: known(file, "secret") and not known(file, "other"))


async def test_swapped_link_of_a_secret_is_followed(tmp_path: Path) -> None:
    """Kubernetes replaces the link ..data, which points to a folder with all files."""
    for version, token in (("v1", "secret"), ("v2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tokens.toml").write_text(entry(token=token))
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "tokens.toml").symlink_to("..data/tokens.toml")
    file = TokenFile(str(tmp_path / "tokens.toml"), NO_LIMITS)
    async with following(file):
        (tmp_path / "..new").symlink_to("v2")
        os.replace(tmp_path / "..new", tmp_path / "..data")
        await until(lambda: known(file, "other") and not known(file, "secret"))


def test_command_makes_a_token_and_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    options = TokenOptions(name='the "bot"', roles="speak, operate", valid_days=1)
    with path.open("w") as entries, (tmp_path / "shown").open("w") as shown:
        print_token(options, entries, shown)
    token = (tmp_path / "shown").read_text().splitlines()[0].rpartition(" ")[2]
    caller = TokenFile(str(path), NO_LIMITS).caller_of(token)
    assert caller == Caller('the "bot"', {Role.SPEAK, Role.OPERATE})
    assert token not in path.read_text()
    with pytest.raises(StartupError, match="'sing' is not a role"):
        print_token(TokenOptions(name="bot", roles="sing"), StringIO(), StringIO())
