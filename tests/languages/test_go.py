"""The Go client against real servers, and the Go programs in docs/languages.md."""

import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from barkclient import AsyncClient
from barkserve.constants import STAGES
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from fixtures.processes import ServiceProcess, service_process
from tests.languages.go import GO, MODULE, go, run
from tests.support.certificates import Authority
from tests.support.services import Chain, running, running_chain
from tests.support.token_files import write_tokens

TEXT = "Hello there. How are you today?"
SPEC = replace(never_ending(TINY), max_new_tokens=60, block_size=1024)
RACE = f"-race={'true' if shutil.which('cc') else 'false'}"
pytestmark = [
    pytest.mark.skipif(not GO, reason="Go is missing: make test-clients installs it"),
    pytest.mark.timeout(600),
]


async def go_test(pattern: str, **variables: str) -> None:
    """Run the tests of the client that match; none may be skipped."""
    words = ("test", RACE, "-v", "-count=1", "-run", f"^({pattern})$", "./barkclient")
    output = await go(*words, **variables)
    assert len(re.findall("^--- PASS", output, re.MULTILINE)) == len(pattern.split("|")), output


def up(checkpoint: Path, *flags: str) -> tuple[str, ...]:
    """The words that run a command with `barkserve up`."""
    ports = ("--port=0", "--metrics-port=0", "--http-port=0", "--voice-store=none")
    words = (sys.executable, "-m", "barkserve", "up", f"--checkpoint={checkpoint}")
    return (*words, *ports, "--admission=count", *flags, "--")


@pytest.fixture
async def chain(tiny_folder: Path) -> AsyncIterator[Chain]:
    async with running_chain(tiny_folder) as started:
        yield started


@pytest_asyncio.fixture
async def pair(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> AsyncIterator[tuple[ServiceProcess, ServiceProcess]]:
    """Two orchestrator processes in front of the same stages."""
    folder = checkpoint_of(SPEC)
    async with AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(running(name, folder)) for name in STAGES]
        words = [f"--{name}={stage.address}" for name, stage in zip(STAGES, stages, strict=True)]
        first, second = [
            await stack.enter_async_context(service_process("orchestrator", folder, *words))
            for _ in range(2)
        ]
        yield first, second


async def test_go_code_is_formatted_and_passes_vet() -> None:
    gofmt = Path(GO).with_name("gofmt")
    assert await run(gofmt, "-l", "barkclient", "cmd", cwd=MODULE) == ""
    await go("vet", "./...")


async def test_go_units_pass() -> None:
    output = await go("test", RACE, "-v", "./...")
    assert output.count("--- PASS") >= 8


async def test_go_client_speaks_with_barkserve_up(tiny_folder: Path) -> None:
    """All tests that need any server, against `barkserve up`."""
    names = (
        "TestStreamEndsWithItsReport|TestContextsSpeakWhatSynthesizeSpeaks"
        "|TestCancelledContextLeavesTheOthers|TestErrorsAreTyped"
    )
    test = (GO, "test", RACE, "-v", "-count=1", "-run", f"^({names})$", "./barkclient")
    output = await run(*up(tiny_folder), *test, cwd=MODULE)
    assert output.count("--- PASS") == len(names.split("|")), output


async def test_barksay_writes_the_samples_of_python(chain: Chain, tmp_path: Path) -> None:
    words = ("-server", chain.address, "-voice", "none", "-seed", "7")
    await go("run", "./cmd/barksay", *words, "-o", str(tmp_path / "speech.wav"), TEXT)
    async with AsyncClient(chain.address) as client:
        expected = await client.synthesize(TEXT, seed=7, voice="none").read()
    written = (tmp_path / "speech.wav").read_bytes()
    assert written[44:] == expected.audio
    assert written[:4] == b"RIFF"
    assert int.from_bytes(written[4:8], "little") == len(written) - 8
    assert int.from_bytes(written[40:44], "little") == len(expected.audio)


async def test_barksay_speaks_at_the_speaking_rate(chain: Chain, tmp_path: Path) -> None:
    words = ("-server", chain.address, "-voice", "none", "-seed", "7", "-speaking-rate", "1.5")
    await go("run", "./cmd/barksay", *words, "-o", str(tmp_path / "speech.wav"), TEXT)
    async with AsyncClient(chain.address) as client:
        speech = client.synthesize(TEXT, seed=7, voice="none", speaking_rate=1.5)
        expected = await speech.read()
    assert (tmp_path / "speech.wav").read_bytes()[44:] == expected.audio


async def test_barksay_uses_tls_and_a_token(tiny_folder: Path, tmp_path: Path) -> None:
    files = Authority(tmp_path).issue()
    tokens = write_tokens(tmp_path / "tokens.toml", "ada speak")
    flags = (f"--tls-cert={files.certificate}", f"--tls-key={files.key}", f"--auth-tokens={tokens}")
    out = tmp_path / "speech.wav"
    say = f"{GO} run ./cmd/barksay -tls-ca {files.ca} -voice none -o {out} hello"
    script = f"BARKCLIENT_TOKEN=ada-token {say} || exit 1; {say} 2>&1 || true"
    output = await run(*up(tiny_folder, *flags), "sh", "-c", script, cwd=MODULE)
    assert f"{out}: " in output
    assert "no token" in output


async def test_go_cancellation_frees_the_slot(tiny_folder: Path) -> None:
    async with running_chain(tiny_folder, max_streams=1) as chain:
        await go_test("TestCancellationFreesTheSlot", BARKSERVE_ONE_STREAM=chain.address)


@pytest.mark.parametrize("what", ["Stream", "Context"])
async def test_go_speech_survives_a_killed_orchestrator(
    pair: tuple[ServiceProcess, ServiceProcess], what: str
) -> None:
    first, second = pair
    await go_test(
        f"Test{what}SurvivesAKilledServer",
        BARKSERVE_PAIR=f"ipv4:{first.address},{second.address}",
        BARKSERVE_FIRST_PID=str(first.process.pid),
    )
    assert await first.process.wait() == -9
