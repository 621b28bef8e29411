"""Generate the training sentences: templates, random words, numbers, clauses of the Bible.

A sixth are pairs of sentences, and a tenth are long sentences with a conjunction. Held-out
sentences are left out. Words, names and contractions come from SCOWL, weighted by
frequency; clauses come from Debian's bible-kjv-text (public domain).
"""

import argparse
import random
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from training.config import SHARD_TEXTS, Work

SCOWL = Path("/usr/share/dict/scowl")
HELD_OUT = Path(__file__).parents[1] / "evaluate" / "held_out_sentences.txt"
LENGTH = range(8, 170)
TIERS = (0.46, 0.25, 0.22, 0.04, 0.03)  # shares: common, less common, rare, names, contractions
SMALL = 0.3  # share of SMALL_WORDS in a string of random words
PHRASES = Path(__file__).parent / "phrases.toml"
CONJUNCTIONS = (" and", ", and", ", but", " because", ", so", " when", " while", ", which is why")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# fmt: off
SMALL_WORDS = (
    "the", "a", "of", "to", "and", "in", "is", "it", "was", "for", "on", "that", "with", "as",
    "at", "by", "be", "this", "but", "not", "are", "from", "or", "have", "an", "they", "which",
    "had", "his", "her", "were", "there", "been", "their", "has", "will", "would", "what", "if",
    "can", "all", "no", "when", "who", "so", "we", "you", "he", "she", "i", "my", "your", "our",
    "them", "him", "me", "do", "did", "some", "than", "then", "could", "into", "about", "up",
    "out", "very", "more", "much", "how", "because", "before", "after", "where", "over",
)
# fmt: on


def scowl_list(name: str, pattern: str) -> list[str]:
    """Return the matching words of a SCOWL file, in lower case."""
    lines = (SCOWL / name).read_text("latin-1").lower().splitlines()
    return [word for word in lines if re.fullmatch(pattern, word)]


def scowl_names() -> list[str]:
    """Return names of people, places and months."""
    files = [f"english-upper.{tier}" for tier in (10, 35, 40)]
    return sorted({name for file in files for name in scowl_list(file, r"[a-z]{3,}")})


def scowl_contractions() -> list[str]:
    """Return contractions such as it's and don't."""
    files = [f"english-contractions.{tier}" for tier in (10, 35, 40, 50)]
    return sorted({word for file in files for word in scowl_list(file, r"[a-z]+'[a-z]+")})


def scowl_tiers() -> list[list[str]]:
    """Return the words of each tier, most common first; each word occurs once."""
    seen: set[str] = set()
    tiers = []
    for tier in (10, 20, 35):
        words = []
        for dialect in ("english", "american"):
            words += scowl_list(f"{dialect}-words.{tier}", r"[a-z]{2,}|a")
        words = [word for word in words if word not in seen]
        seen.update(words)
        tiers.append(words)
    return tiers


def king_james() -> list[str]:
    """Return the clauses of 3 to 12 words."""
    command = ["bible", "-f", "gen1:1-rev22:21"]
    verses = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    clauses = []
    for verse in verses.splitlines():
        _, _, words = verse.partition(" ")
        for clause in re.split(r"(?<=[,.;:?!])\s+", words.lower()):
            text = re.sub(r"[;:]$", ",", clause)
            if 3 <= len(text.split()) <= 12 and re.fullmatch(r"[a-z.,?!' -]+", text):
                clauses.append(text)
    return clauses


class Writer:
    """Generates sentences from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._tiers = [*scowl_tiers(), scowl_names(), scowl_contractions()]
        self._clauses = king_james()
        self._phrases: dict[str, list[str]] = tomllib.loads(PHRASES.read_text())

    def word(self) -> str:
        """Return a random word; words of common tiers are far more frequent."""
        return self._random.choice(self._random.choices(self._tiers, TIERS)[0])

    def sentence(self) -> str:
        """Return one sentence, or two."""
        kind: Callable[[], str] = self._random.choices(
            (self._simple, self._pair, self._joined), (0.74, 0.16, 0.1)
        )[0]
        return kind()

    def _simple(self) -> str:
        kind: Callable[[], str] = self._random.choices(
            (self._clause, self._word_string, self._template, self._numbers), (0.1, 0.34, 0.5, 0.06)
        )[0]
        return kind()

    def _pair(self) -> str:
        first = self._simple()
        return (first if first[-1] in ".?!" else first.rstrip(",") + ".") + " " + self._simple()

    def _joined(self) -> str:
        first = self._template().rstrip(".?!")
        return first + self._random.choice(CONJUNCTIONS) + " " + self._template()

    def _numbers(self) -> str:
        """Return numbers in words, as the server spells them, with something that they count."""
        number = f"{self._random.choice(TENS)} {self._random.choice(ONES)}"
        number = self._random.choice((number, self._random.choice(ONES)))
        form = self._random.choice(
            (
                "{o} hundred and {n}",
                "{o} thousand {n}",
                "nineteen {n}",
                "twenty {n}",
                "{n} point {o}",
                "{n}",
            )
        )
        amount = form.format(o=self._random.choice(ONES), n=number)
        unit = self._random.choice(self._phrases["u"])
        subject = self._random.choice(self._phrases["s"])
        return self._random.choice(
            (
                f"{amount} {unit}.",
                f"{subject} had {amount} {unit}.",
                f"it was in {amount}.",
                f"is it {amount} {unit}?",
                f"call {amount}, or {number}.",
            )
        )

    def _clause(self) -> str:
        return self._random.choice(self._clauses)

    def _word_string(self) -> str:
        words = [
            self._random.choice(SMALL_WORDS) if self._random.random() < SMALL else self.word()
            for _ in range(self._random.randint(2, 14))
        ]
        if self._random.random() < 0.2 and len(words) > 3:
            words[self._random.randrange(1, len(words) - 1)] += ","
        return " ".join(words) + self._random.choices((".", "?", "!", ""), (0.7, 0.1, 0.1, 0.1))[0]

    def _template(self) -> str:
        def fill(slot: re.Match[str]) -> str:
            if slot[1] in "anv" and self._random.random() < 0.35:
                return self.word()
            return self._random.choice(self._phrases[slot[1]])

        return re.sub(r"\{(\w)\}", fill, self._random.choice(self._phrases["templates"]))


def normal(text: str) -> str:
    """Return the letters that two sentences are compared by."""
    return re.sub(r"[^a-z ]", "", text.lower()).strip()


def sentences(seed: int, held_out: set[str]) -> Iterator[str]:
    """Yield new sentences without end, none of them held out."""
    writer, seen = Writer(seed), set(held_out)
    while True:
        text = writer.sentence()
        if len(text) in LENGTH and normal(text) not in seen:
            seen.add(normal(text))
            yield text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Work().root)
    parser.add_argument("--shards", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = Work(options.work)
    held_out = {normal(line) for line in HELD_OUT.read_text().splitlines()}
    source = sentences(options.seed, held_out)
    texts = [next(source) for _ in range(options.shards * SHARD_TEXTS)]
    work.texts.parent.mkdir(parents=True, exist_ok=True)
    work.texts.write_text("\n".join(texts) + "\n")
    print(f"{len(texts)} sentences, {sum(map(len, texts)) / len(texts):.0f} letters each")


if __name__ == "__main__":
    main()
