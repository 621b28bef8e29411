"""Show each word when it is spoken, and write WebVTT captions with the time of every word.

    python examples/live_captions.py "Hello there. How are you today?" --captions captions.vtt

Word times arrive before the audio of their words.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path

from barkclient import AsyncClient, WordTime

WORDS_PER_CUE = 8


def cue(words: list[WordTime]) -> str:
    """Return one WebVTT cue. Players highlight each word at its own time."""
    text = " ".join(f"<{clock(word.start_s)}>{word.word}" for word in words)
    return f"{clock(words[0].start_s)} --> {clock(words[-1].end_s)}\n{text}\n"


def clock(seconds: float) -> str:
    """Return a time as WebVTT has it, such as 00:01:02.345."""
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"


async def show(words: "asyncio.Queue[WordTime | None]") -> None:
    """Print each word when a player speaks it that started when the first word arrived."""
    started: float | None = None
    while (word := await words.get()) is not None:
        started = started or time.monotonic()
        await asyncio.sleep(started + word.start_s - time.monotonic())
        print(word.word, end=" ", flush=True)
    print()


async def main() -> None:
    """Speak into a file, and show the words meanwhile."""
    parser = argparse.ArgumentParser(description="Show each word when it is spoken.")
    parser.add_argument("text")
    parser.add_argument("--voice")
    parser.add_argument("--output", default="speech.mp3")
    parser.add_argument("--captions", type=Path, default=Path("captions.vtt"))
    arguments = parser.parse_args()
    words: asyncio.Queue[WordTime | None] = asyncio.Queue()
    showing = asyncio.create_task(show(words))
    async with AsyncClient(os.environ.get("BARKCLIENT_SERVER", "localhost:50051")) as bark:
        speech = bark.synthesize(
            arguments.text, voice=arguments.voice, encoding="mp3", word_times=True
        )
        with open(arguments.output, "wb") as file:
            async for chunk in speech:
                file.write(chunk.audio)
                for word in chunk.words:
                    words.put_nowait(word)
    spoken = list(speech.words)
    lines = [spoken[i : i + WORDS_PER_CUE] for i in range(0, len(spoken), WORDS_PER_CUE)]
    arguments.captions.write_text("\n".join(["WEBVTT\n", *map(cue, lines)]), encoding="utf-8")
    words.put_nowait(None)
    await showing


if __name__ == "__main__":
    asyncio.run(main())
