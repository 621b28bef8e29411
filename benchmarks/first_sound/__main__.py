"""Measure the time from a clone to sound, in each of the ways that the README shows.

    python -m benchmarks.first_sound --out benchmarks/results/first-sound.json

The ways are `make demo`, curl, the page, fetch and the client for Node.js. The commands are
those of README.md and docs/, as they are, in a new clone of this repository. The ports 8080 and
50051 must be free, and Chromium, curl and Node.js installed. pip and npm use their caches and the
indexes of this machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

from playwright.async_api import async_playwright, expect

ROOT = Path(__file__).parents[2]
READY = "barkserve is up at "
LIMIT_S = 3600
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def documented(page: str, start: str, language: str = "") -> str:
    """Find a command (a line) or a program (a block) in a page of the documentation.

    Args:
        page: its path in the repository.
        start: how it begins.
        language: of the block; empty for a command.
    """
    blocks: list[tuple[str, str]] = BLOCK.findall((ROOT / page).read_text())
    texts = [text for found, text in blocks if found == language]
    if not language:
        texts = [line.partition("  #")[0].strip() for text in texts for line in text.splitlines()]
    return next(text for text in texts if text.startswith(start))


async def run(command: str, folder: Path) -> None:
    """Run a command that must succeed."""
    process = await asyncio.create_subprocess_exec("bash", "-ec", command, cwd=folder)
    async with asyncio.timeout(LIMIT_S):
        if await process.wait():
            sys.exit(f"this command failed: {command}")


@contextlib.asynccontextmanager
async def server(clone: Path) -> AsyncIterator[None]:
    """`barkserve up` as in the README, from the moment when it is ready."""
    process = await asyncio.create_subprocess_exec(
        *documented("README.md", ".venv/bin/barkserve up").split(),
        cwd=clone,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while not (line := (await process.stderr.readline()).decode()).startswith(READY):
            if not line:
                sys.exit("barkserve up ended: are the ports 8080 and 50051 free?")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


async def speak_on_the_page() -> None:
    """Open the page and press Speak; returns at the first sound."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--autoplay-policy=no-user-gesture-required"],
            chromium_sandbox=False,
        )
        page = await browser.new_page()
        await page.goto("http://127.0.0.1:8080")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#first-audio")).to_contain_text("ms", timeout=60_000)
        await browser.close()


async def measure(folder: Path) -> dict[str, float]:
    """Run all steps; returns the seconds of each."""
    clone = folder / "barkserve"
    seconds: dict[str, float] = {}

    async def step(name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        begun = time.monotonic()
        await work()
        seconds[name] = round(time.monotonic() - begun, 1)
        print(f"{seconds[name]:8.1f} s  {name}", flush=True)

    async def speak(name: str, command: str, file: str, cwd: Path = folder) -> None:
        await step(name, lambda: run(command, cwd))
        if (cwd / file).stat().st_size < 1000:
            sys.exit(f"{name}: {file} contains no speech")

    await step("git clone", lambda: run(f"git clone -q {ROOT} {clone}", folder))
    await speak("make demo", documented("README.md", "make demo"), "demo.wav", clone)
    begun = time.monotonic()
    async with server(clone):
        seconds["barkserve up"] = round(time.monotonic() - begun, 1)
        print(f"{seconds['barkserve up']:8.1f} s  barkserve up", flush=True)
        await speak("curl", documented("README.md", "curl", "sh"), "speech.mp3")
        await step("page", speak_on_the_page)
        program = documented("docs/http.md", "import { writeFile", "js")
        (folder / "speak.mjs").write_text(program)
        await speak("Node.js: fetch", "node speak.mjs", "speech.wav")
        build = documented("docs/clients.md", "npm --prefix clients/node ci")
        await step("Node.js client: npm ci", lambda: run(build, clone))
        command = documented("docs/clients.md", "node clients/node")
        await speak("Node.js client: say", command, "speech.wav", clone)
    return seconds


def main() -> None:
    """Parse the command line, measure, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(measure(Path(folder)))
    first = sum(seconds[name] for name in ("git clone", "make demo"))
    ready = first + seconds["barkserve up"]
    ways = {
        "make demo": first,
        "curl": ready + seconds["curl"],
        "page": ready + seconds["page"],
        "Node.js: fetch": ready + seconds["Node.js: fetch"],
        "Node.js client": ready
        + seconds["Node.js client: npm ci"]
        + seconds["Node.js client: say"],
    }
    for way, total in ways.items():
        print(f"{total:8.1f} s from the clone to sound by {way}")
    if out:
        machine = {"cores": os.cpu_count(), "machine": platform.machine()}
        result = {
            "machine": machine,
            "steps_s": seconds,
            "first_sound_s": {way: round(total, 1) for way, total in ways.items()},
        }
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
