"""README and docs: every link leads somewhere, every command line is one that the programs take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from barkclient.cli.arguments import parse
from barkserve.__main__ import _parser, _split_command

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(program: str) -> Iterator[list[str]]:
    """The words behind the program's name, up to a pipe."""
    for page in PAGES:
        blocks = (block for language, block in BLOCK.findall(page.read_text()) if not language)
        for block in blocks:
            for line in block.splitlines():
                for part in re.split(r"[|<>]", line.partition(" # ")[0]):
                    words = shlex.split(part)
                    if words and Path(words[0]).name == program:
                        yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        if path.startswith("http"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_every_barkclient_line_is_understood() -> None:
    lines = list(commands("barkclient"))
    assert len(lines) > 15
    for words in lines:
        parse(words, {})


def test_every_barkserve_line_is_understood() -> None:
    lines = list(commands("barkserve"))
    assert len(lines) >= 5
    for words in lines:
        own, command = _split_command(words)
        _parser().parse_args(own)
        if command:
            parse(command[1:], {})
