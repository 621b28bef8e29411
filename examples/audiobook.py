"""Read a text file as an audiobook: an MP3 and a subtitle file for each chapter.

    python examples/audiobook.py book.txt --folder book

A chapter starts at a line "# Title" or "Chapter ...". After a crash or Ctrl-C, run the same command
again: finished chapters are kept, and the one that was cut is spoken again with the same seed.
"""

import argparse
import os
import re
from pathlib import Path

from barkclient import Client, SynthesisOptions, WordTime

CHAPTER = re.compile(r"^(?=#+ |chapter\b)", re.MULTILINE | re.IGNORECASE)


def chapters(book: str) -> list[str]:
    """Split a book before each heading."""
    return [part.strip() for part in CHAPTER.split(book) if part.strip()]


def file_name(number: int, chapter: str) -> str:
    """Return a name such as 03-the-fox, from the chapter's first line."""
    title = re.sub(r"\W+", "-", chapter.splitlines()[0].lower()).strip("-")
    return f"{number:02}-{title[:40]}"


def subtitles(words: tuple[WordTime, ...]) -> str:
    """Return an SRT file with one entry for each word."""
    entries = [
        f"{number}\n{clock(word.start_s)} --> {clock(word.end_s)}\n{word.word}\n"
        for number, word in enumerate(words, 1)
    ]
    return "\n".join(entries)


def clock(seconds: float) -> str:
    """Return a time as SRT has it, such as 00:01:02,345."""
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02},{ms % 1000:03}"


def speak(client: Client, chapter: str, audio: Path, voice: str | None, seed: int) -> None:
    """Speak a chapter. The audio file gets its name when it is complete."""
    part = audio.with_suffix(".part")
    options: SynthesisOptions = {"voice": voice, "seed": seed}
    options |= {"encoding": "mp3", "word_times": True}
    with client.synthesize(chapter.lstrip("# "), **options) as speech, part.open("wb") as file:
        for chunk in speech:
            file.write(chunk.audio)
            print(f"\r{audio.name}: {chunk.text_end / len(chapter):4.0%}", end="", flush=True)
    audio.with_suffix(".srt").write_text(subtitles(speech.words), encoding="utf-8")
    part.rename(audio)
    print(f"\r{audio.name}: done")


def main() -> None:
    """Speak all chapters that have no file yet."""
    parser = argparse.ArgumentParser(description="Read a text file as an audiobook.")
    parser.add_argument("book", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("audiobook"))
    parser.add_argument("--voice")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    book = chapters(arguments.book.read_text(encoding="utf-8"))
    with Client(os.environ.get("BARKCLIENT_SERVER", "localhost:50051"), retries=10) as client:
        for number, chapter in enumerate(book, 1):
            audio = arguments.folder / f"{file_name(number, chapter)}.mp3"
            if audio.exists():
                print(f"{audio.name}: kept")
            else:
                speak(client, chapter, audio, arguments.voice, seed=number)


if __name__ == "__main__":
    main()
