"""Speak each line of a file into a file of its own, several at the same time.

    python examples/batch.py lines.txt --folder speech --streams 4

Files that exist are kept: run the same command again after a stop.
"""

import argparse
import asyncio
import os
from pathlib import Path

from barkclient import AsyncClient, BarkClientError


def missing(lines: Path, folder: Path) -> dict[Path, str]:
    """Return the lines without a file, by the file that they need."""
    texts = filter(None, map(str.strip, lines.read_text(encoding="utf-8").splitlines()))
    files = {folder / f"{number:04}.opus": text for number, text in enumerate(texts, 1)}
    return {file: text for file, text in files.items() if not file.exists()}


async def speak(client: AsyncClient, text: str, file: Path, voice: str | None) -> str:
    """Speak one line. Returns what to report."""
    try:
        speech = await client.synthesize(text, voice=voice, encoding="ogg_opus").read()
    except BarkClientError as error:
        return f"{file.name}: {error}"
    part = file.with_suffix(".part")
    part.write_bytes(speech.audio)
    part.rename(file)
    return f"{file.name}: {speech.duration_s:.1f} s"


async def main() -> None:
    """Speak all lines. A full server is asked again."""
    parser = argparse.ArgumentParser(description="Speak each line of a file.")
    parser.add_argument("lines", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("speech"))
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--voice")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    free = asyncio.Semaphore(arguments.streams)
    server = os.environ.get("BARKCLIENT_SERVER", "localhost:50051")
    async with AsyncClient(server, retries=100) as client:

        async def work(file: Path, text: str) -> None:
            async with free:
                print(await speak(client, text, file, arguments.voice))

        async with asyncio.TaskGroup() as group:
            for file, text in missing(arguments.lines, arguments.folder).items():
                group.create_task(work(file, text))


if __name__ == "__main__":
    asyncio.run(main())
