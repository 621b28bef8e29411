"""The Node.js client as a user installs it: its package, its command and its documentation."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from barkclient import AsyncClient, FineOptions, Sampling, SemanticOptions, TailOptions
from tests.node.packed import CLIENT, ROOT, run
from tests.support.certificates import Authority
from tests.support.gateway import running_gateway
from tests.support.services import Chain, running_chain

pytestmark = pytest.mark.timeout(600)

TEXT = "hello the world"
PAGES = {"clients": ROOT / "docs/clients.md", "readme": CLIENT / "README.md"}
PROGRAMS = [
    pytest.param(program, id=f"{name}-{number}")
    for name, page in PAGES.items()
    for number, program in enumerate(
        re.findall(r"^```js\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    )
]
MODULE = """
const client = new BarkClient(process.env.BARKCLIENT_SERVER);
const wrong = client.synthesize("Hello", { voice: "v2/ghost" }).read();
wrong.catch((error) => {
  if (!(error instanceof VoiceNotFound)) throw error;
  return client.synthesize(process.env.TEXT, { seed: 7 }).bytes();
}).then((bytes) => {
  process.stdout.write(Buffer.from(bytes).toString("hex"));
  client.close();
});
"""
IMPORTS = {
    "esm.mjs": 'import { BarkClient, VoiceNotFound } from "barkclient";',
    "cjs.cjs": 'const { BarkClient, VoiceNotFound } = require("barkclient");',
}


async def spoken(chain: Chain) -> bytes:
    async with AsyncClient(chain.address) as client:
        return (await client.synthesize(TEXT, seed=7).read()).audio


async def run_with(chain: Chain, *words: str, cwd: Path, **environment: str) -> str:
    """Run a command that calls the chain, which runs in this process."""
    address = {"BARKCLIENT_SERVER": chain.address}
    return await asyncio.to_thread(run, *words, cwd=cwd, **(address | environment))


@pytest.mark.parametrize("name", IMPORTS)
async def test_installed_package_speaks_as_python_does(
    installed: Path, tiny_folder: Path, name: str
) -> None:
    (installed / name).write_text(IMPORTS[name] + MODULE)
    async with running_chain(tiny_folder) as chain:
        output = await run_with(chain, "node", name, cwd=installed, TEXT=TEXT)
        assert bytes.fromhex(output) == await spoken(chain)


async def test_installed_command_writes_speech(installed: Path, tiny_folder: Path) -> None:
    async with running_chain(tiny_folder) as chain:
        say = ("npx", "barkclient", "say", TEXT, "--seed", "7")
        await run_with(chain, *say, "-o", "hello.wav", cwd=installed)
        await run_with(chain, *say, "-o", "hello.pcm", "-q", cwd=installed)
        expected = await spoken(chain)
    assert (installed / "hello.pcm").read_bytes() == expected
    file = (installed / "hello.wav").read_bytes()
    assert file[44:] == expected
    assert int.from_bytes(file[4:8], "little") == len(file) - 8
    assert int.from_bytes(file[40:44], "little") == len(expected)


async def test_command_sends_its_options(
    installed: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    flags = (
        "--rate=16000", "--speaking-rate=1.5", "--gain=6", "--limit-peaks", "--chunk-ms=100",
        "--voice=none", "--keep-voice", "--language=en", "--text-format=plain",
        "--pronounce=hello=good day", "--seed=7", "--delivery=exact", "--semantic-temperature=0.6",
        "--coarse-temperature=0.5", "--fine-temperature=0.4", "--top-k=20", "--top-p=0.9",
        "--min-eos-p=0.3", "--max-silence=1", "--max-seconds-per-character=0.2", "--redraws=1",
    )  # fmt: skip
    text, tokens = "*hello* the world", {"top_k": 20, "top_p": 0.9}
    async with running_chain(tiny_folder, voice_store=str(tmp_path)) as chain:
        say = ("npx", "barkclient", "say", *text.split(), *flags, "-o", "options.pcm")
        await run_with(chain, *say, cwd=installed)
        async with AsyncClient(chain.address) as client:
            speech = client.synthesize(
                text,
                voice="none",
                seed=7,
                delivery="exact",
                sample_rate=16000,
                speaking_rate=1.5,
                gain_db=6,
                limit_peaks=True,
                chunk_ms=100,
                language="en",
                text_format="plain",
                lexicon={"hello": "good day"},
                semantic=SemanticOptions(temperature=0.6, min_eos_p=0.3, **tokens),
                coarse=Sampling(temperature=0.5, **tokens),
                fine=FineOptions(temperature=0.4),
                tail=TailOptions(max_silence_s=1, max_seconds_per_character=0.2, max_redraws=1),
            )
            expected = (await speech.read()).audio
            plain = (await client.synthesize(text, voice="none", seed=7).read()).audio
    assert (installed / "options.pcm").read_bytes() == expected
    assert expected != plain


async def failure_of(chain: Chain, folder: Path, *words: str) -> tuple[int | None, bytes]:
    """Run the installed command. Return its exit code and its message."""
    process = await asyncio.create_subprocess_exec(
        "npx",
        "barkclient",
        *words,
        cwd=folder,
        env={**os.environ, "BARKCLIENT_SERVER": chain.address},
        stderr=asyncio.subprocess.PIPE,
    )
    _, message = await process.communicate()
    return process.returncode, message


async def test_command_reports_errors_in_one_line(installed: Path, tiny_folder: Path) -> None:
    async with running_chain(tiny_folder) as chain, running_gateway(chain.address) as gateway:
        http = gateway.url.removeprefix("http://")
        cases = {
            ("say", "Hello", "--voice", "v2/ghost"): (2, b"v2/ghost"),
            ("say", "Hello", "--format", "wma"): (2, b"--format"),
            ("say", "Hello", "--text-format", "html"): (2, b"--text-format"),
            ("say", "Hello", "--speaking-rate", "9"): (2, b"--speaking-rate"),
            ("say", "Hello", "--pronounce", "SQL"): (2, b"--pronounce needs WORD=SPELLING"),
            ("say", "Hello", "--server", "127.0.0.1:1"): (3, b"nothing answers at 127.0.0.1:1"),
            ("say", "Hello", "--server", http): (3, b"HTTP"),
            ("say", "Hello", "--timeout", "0.001"): (5, b"timeout"),
        }
        for words, (code, part) in cases.items():
            failed, message = await failure_of(chain, installed, *words)
            assert failed == code, message
            assert re.fullmatch(rb"barkclient: [^\n]+\n", message), message
            assert part in message


async def test_command_works_over_tls(installed: Path, tiny_folder: Path, tmp_path: Path) -> None:
    files = Authority(tmp_path / "trusted").issue()
    other = Authority(tmp_path / "other", "other").issue()
    options = {"tls_cert": files.certificate, "tls_key": files.key, "tls_ca": files.ca}
    own = ("--tls-cert", files.certificate, "--tls-key", files.key)
    roles = "call-stages=localhost,speak=localhost"
    async with running_chain(tiny_folder, certificate_roles=roles, **options) as chain:
        voices = ("npx", "barkclient", "voices", "--tls-ca")
        await run_with(chain, *voices, files.ca, *own, cwd=installed)
        refused = await failure_of(chain, installed, "voices", "--tls-ca", other.ca, *own)
    assert refused[0] == 3
    assert b"TLS with" in refused[1]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_documented_program_runs(installed: Path, tiny_folder: Path, program: str) -> None:
    for name in ("speech.wav", "speech.pcm"):
        (installed / name).unlink(missing_ok=True)
    async with running_chain(tiny_folder) as chain:
        program = program.replace("localhost:50051", chain.address).replace("v2/slt", "none")
        (installed / "documented.mjs").write_text(program)
        await run_with(chain, "node", "documented.mjs", cwd=installed)
    written = [path for name in ("speech.wav", "speech.pcm") if (path := installed / name).exists()]
    assert all(path.stat().st_size > 1000 for path in written)
    assert written or "Write" not in program


def test_package_is_publishable(client: Path) -> None:
    run("npm", "run", "check-package", cwd=client)


def test_sources_pass_the_checks(client: Path) -> None:
    run("npm", "run", "check", cwd=client)


def test_generated_code_is_reproduced(client: Path, tmp_path: Path) -> None:
    shutil.copytree(client / "src/gen", tmp_path / "committed")
    run("npm", "run", "generate", cwd=client)
    run("diff", "-r", tmp_path / "committed", client / "src/gen", cwd=client)
