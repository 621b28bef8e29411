"""Tokens from end to end: official clients, processes, revocation, and calls between services."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import barkclient
from barkserve.serving.auth.token import hash_of
from fixtures.checkpoints import TINY, CheckpointSpec
from fixtures.processes import service_process
from tests.barkclient.command_line import Command
from tests.orchestrator.riva import client as riva
from tests.support.services import running, running_chain
from tests.support.token_files import write_tokens

Folder = Callable[[CheckpointSpec], Path]
NVIDIA_TOKEN = "of-the-cloud"
"""The token of `tests.orchestrator.riva.client`."""


async def words() -> AsyncIterator[str]:
    yield "hello "
    yield "world"


async def test_python_clients_speak_with_a_token(checkpoint_of: Folder, tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak")
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        given = iter(["bot-token"] * 2)
        async with barkclient.AsyncClient(chain.address, token=lambda: next(given)) as client:
            assert (await client.synthesize("hello", seed=1).read()).samples().size
            assert (await client.synthesize_stream(words()).read()).samples().size
        assert next(given, None) is None  # the function was called for each call
        async with barkclient.AsyncClient(chain.address) as client:
            with pytest.raises(barkclient.Unauthenticated, match="no token"):
                await client.synthesize("hello").read()
            with pytest.raises(barkclient.Unauthenticated, match="no token"):
                await client.voices()

        def blocking() -> None:
            with barkclient.Client(chain.address, token="bot-token") as client:
                assert client.synthesize("hello", seed=1).read().samples().size
                assert client.voices()
                with pytest.raises(barkclient.PermissionDenied, match="role 'manage-voices'"):
                    client.delete_voice("me")

        await asyncio.to_thread(blocking)


async def test_commands_send_a_token(
    checkpoint_of: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "bot speak", "admin operate")
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        command = Command(tmp_path, chain.address)
        short = ("--concurrency", "1", "--count", "1", "--warmup", "0")
        refused = await command("say", "hello")
        assert refused.code == 6
        assert "--token" in refused.stderr
        monkeypatch.setenv("BARKCLIENT_TOKEN", "bot-token")
        assert (await command("say", "hello", "-o", "hello.wav")).code == 0
        assert (await command("bench", *short)).code == 0
        refused = await command("status")
        assert refused.code == 6
        assert "'operate'" in refused.stderr
        shown = await command("status", "--json", "--token", "admin-token")
        assert len(json.loads(shown.stdout)["replicas"]) == 5


async def test_nvidias_client_speaks_with_a_token(checkpoint_of: Folder, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    tokens = write_tokens(path, "riva speak", "other speak")
    text = {"text": "hello", "language_code": "en-US"}
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        (refused,) = await riva.call(chain.address, ("synthesize", text))
        assert refused.error == "UNAUTHENTICATED"
        path.write_text(path.read_text().replace(hash_of("riva-token"), hash_of(NVIDIA_TOKEN)))

        async def speak() -> list[riva.Outcome]:
            return await riva.call(chain.address, ("synthesize", text), ("synthesize_online", text))

        while any(outcomes := [each.error for each in await speak()]):
            assert set(outcomes) <= {"UNAUTHENTICATED", ""}  # until the file is read again


def audit_lines(log: str) -> Iterator[dict[str, Any]]:
    """The audit lines in the log of a service."""
    for line in log.splitlines():
        _, found, rest = line.partition('{"event"')
        if found:
            yield json.loads('{"event"' + rest)


async def test_revoked_token_stops_working_within_seconds(
    checkpoint_of: Folder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens.toml"
    flags = (
        f"--auth-tokens={write_tokens(path, 'editor speak manage-voices', 'other speak')}",
        f"--voice-store={tmp_path / 'voices'}",
    )
    async with (
        service_process("orchestrator", checkpoint_of(TINY), *flags) as process,
        barkclient.AsyncClient(process.address, token="editor-token") as editor,
        barkclient.AsyncClient(process.address, token="other-token") as other,
    ):
        source = (await editor.voices())[0].name
        await editor.create_voice("mine", source)
        write_tokens(path, "other speak")

        async def works() -> bool:
            try:
                await editor.server_info()
            except barkclient.Unauthenticated:
                return False
            return True

        async with asyncio.timeout(20):
            while await works():
                pass
        await other.server_info()
    created, refused = audit_lines(capfd.readouterr().err)
    assert created == {
        "event": "voice_created",
        "caller": "editor",
        "voice": "mine",
        "request_id": created["request_id"],
    }
    assert len(created["request_id"]) == 32
    assert refused["event"] == "caller_refused"
    assert refused["method"] == "/barkserve.v1.SpeechService/GetServerInfo"
    assert refused["peer"] == "127.0.0.1"


async def test_autoscaler_needs_a_token_for_load_reports(
    checkpoint_of: Folder, tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.toml", "autoscaler operate", "bot speak")
    token = tmp_path / "token"
    token.write_text("bot-token\n")
    async with running_chain(checkpoint_of(TINY), auth_tokens=tokens) as chain:
        addresses = {name: service.address for name, service in chain.services.items()}
        options = {**addresses, "token_file": str(token), "auth_tokens": tokens}
        async with running("autoscaler", tmp_path, **options) as scaler:
            command = Command(tmp_path, chain.address)

            async def silent() -> set[str]:
                """The services without a load report."""
                words = ("status", "--scaling", "--json", "--autoscaler", scaler.address)
                shown = await command(*words, "--token", "autoscaler-token")
                return {
                    each["service"]
                    for each in json.loads(shown.stdout)["services"]
                    if each.get("replicas", [{}])[0].get("state") != "STATE_READY"
                }

            while (refused := await silent()) != {"orchestrator"}:
                assert "orchestrator" in refused
            token.write_text("autoscaler-token\n")
            while await silent():
                pass


@pytest.mark.parametrize("client", [barkclient.Client, barkclient.AsyncClient])
def test_token_is_not_sent_in_plaintext_to_other_machines(client: Any) -> None:
    with pytest.raises(barkclient.InvalidRequest, match="without encryption") as caught:
        client("speech.example.org:50051", token="secret-token")
    assert "secret-token" not in str(caught.value)
    with pytest.raises(barkclient.InvalidRequest, match="printable ASCII") as caught:
        client("localhost:50051", token="secret\ntoken")
    assert "secret" not in str(caught.value)
    for target, options in {
        "localhost:50051": {},
        "127.0.0.1:50051": {},
        "unix:/run/speech.sock": {},
        "speech.example.org:50051": {"insecure": True},
        "speech.example.com:50051": {"tls": barkclient.Tls()},
    }.items():
        assert "secret-token" not in repr(client(target, token="secret-token", **options))
