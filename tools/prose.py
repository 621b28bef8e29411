"""Check the prose: phrases and names that have a plainer word, and the docs' sentence length.

Usage: ``python -m tools.prose [FILE ...]``. Without files it reads every file that tools/prose.toml
includes and git does not ignore.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("prose.toml")

# Between two words of a phrase: an underscore, spaces, or a line break and a comment sign.
GAP = r"(?:_|\s+(?:(?:#|//|\*|>)\s*)?)"
# Underscores separate words, so that names are checked like text.
WORD = r"(?<![A-Za-z0-9])(?:{})(?![A-Za-z0-9])"


@dataclass(frozen=True)
class Rule:
    """A pattern that should not occur, and what to write instead."""

    pattern: re.Pattern[str]
    better: str


@dataclass(frozen=True)
class Table:
    """The contents of prose.toml."""

    rules: list[Rule]
    include: list[str]
    exclude: list[str]
    pages: list[str]
    max_mean_words: float

    @classmethod
    def load(cls, path: Path) -> "Table":
        """Read the table from a TOML file."""
        table = tomllib.loads(path.read_text())
        phrases = [
            Rule(re.compile(WORD.format(phrase.replace(" ", GAP)), re.IGNORECASE), better)
            for phrase, better in table["phrases"].items()
        ]
        identifiers = [
            Rule(re.compile(rf"\b{name}\b"), better)
            for name, better in table["identifiers"].items()
        ]
        return cls(
            phrases + identifiers,
            table["include"],
            table["exclude"],
            table["pages"],
            table["max_mean_words"],
        )

    def reads(self, path: str) -> bool:
        """Return whether the check reads this file, a path below the root."""
        name = path.rpartition("/")[2]
        return any(fnmatch(name, pattern) for pattern in self.include) and not any(
            fnmatch(path, pattern) for pattern in self.exclude
        )


def findings(text: str, rules: Iterable[Rule]) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, the phrase and its replacement for each match, in order of lines."""
    found = [
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), rule.better)
        for rule in rules
        for match in rule.pattern.finditer(text)
    ]
    yield from sorted(found)


def sentences(markdown: str) -> list[str]:
    """Split a Markdown page into sentences, without code, tables, headings and link targets."""
    text = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^\s*(\||#|!\[|    ).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*(?:[-*+]|\d+\.)\s+", "\n\n", text, flags=re.MULTILINE)
    parts = [
        part
        for paragraph in re.split(r"\n\s*\n", text)
        for part in re.split(r"(?<=[.!?])[)*\"']*\s+", paragraph.strip())
    ]
    return [part for part in parts if re.search(r"[A-Za-z]", part)]


def mean_words(pages: Iterable[str]) -> float:
    """Return the mean number of words per sentence over these Markdown pages."""
    lengths = [len(sentence.split()) for page in pages for sentence in sentences(page)]
    return sum(lengths) / max(1, len(lengths))


def files() -> list[str]:
    """Return the paths below the root of all files that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def main(arguments: list[str]) -> int:
    """Print what should be reworded; return 1 if there is anything, else 0."""
    table = Table.load(TABLE)
    paths = arguments or [path for path in files() if table.reads(path)]
    failed = False
    for path in paths:
        text = (ROOT / path).read_text()
        for line, phrase, better in findings(text, table.rules):
            print(f"{path}:{line}: {phrase} -> {better}")
            failed = True

    pages = {
        path: (ROOT / path).read_text()
        for path in paths
        if any(fnmatch(path, pattern) for pattern in table.pages)
    }
    mean = mean_words(pages.values())
    if mean > table.max_mean_words:
        print(f"{mean:.1f} words per sentence, above {table.max_mean_words}; per page:")
        for path, page in pages.items():
            print(f"  {path}: {mean_words([page]):.1f}")
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
