"""README and docs: links resolve; the commands, options, modules and paths in them exist."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from barkclient.cli.arguments import parse
from barkserve.__main__ import _parser, _split_command
from barkserve.serving.metric_catalog import CATALOG
from tests.support.snippets import EXECUTED, NOT_EXECUTED, snippets
from training.__main__ import STEPS

ROOT = Path(__file__).parent.parent
OPTIONAL = (
    "CONTRIBUTING.md",
    "SECURITY.md",
    "clients/python/README.md",
    "clients/node/README.md",
)
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    ROOT / "examples/README.md",
    ROOT / "benchmarks/README.md",
    ROOT / "training/README.md",
    ROOT / "training/publish/model_card.md",
    ROOT / "services/barkserve/bundled/bark-mini/README.md",
    *(page for name in OPTIONAL if (page := ROOT / name).exists()),
]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
PATH = re.compile(r"[a-z_]+(/[\w.-]+)*(\.py|/)|[a-z_]+(/[\w.-]+)+\.(proto|yaml|json|tpl)")
OTHER_PROGRAMS = {"--build-arg", "--rm", "--follow"}  # of docker and git
PACKAGE_ROOTS = ("", "services/barkserve", "clients/python")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def plain_blocks(page: Path) -> Iterator[str]:
    """The fenced blocks without a language: command lines."""
    yield from (block for language, block in BLOCK.findall(page.read_text()) if not language)


def inline_code(page: Path) -> list[str]:
    """The code spans outside fenced blocks."""
    return CODE.findall(BLOCK.sub("", page.read_text()))


def code(page: Path) -> str:
    return "\n".join([*inline_code(page), *plain_blocks(page)])


def commands(program: str) -> Iterator[list[str]]:
    """The arguments of every command line that runs the program, up to a pipe."""
    for page in PAGES:
        for block in plain_blocks(page):
            for line in block.splitlines():
                for part in re.split(r"[|<>]", line.partition(" # ")[0]):
                    try:
                        words = shlex.split(part)
                    except ValueError:  # a drawing
                        continue
                    if words and Path(words[0]).name == program and words[1:] != ["--help"]:
                        yield words[1:]


def declared_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a parser and of its subcommands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from declared_options(command)


def known_options() -> set[str]:
    """The options of barkserve, and those that the other commands' sources declare."""
    known = set(declared_options(_parser()))
    for folder in ("clients/python", "examples", "benchmarks", "training"):
        for source in (ROOT / folder).glob("**/*.py"):
            known |= set(re.findall(r"\"(--[a-z][a-z-]*)\"", source.read_text()))
    return known | {"--rms", "--slt", "--awb", "--version"} | OTHER_PROGRAMS


def exists_as_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_resolve(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        if path.startswith("http"):
            continue
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_barkclient_lines_parse() -> None:
    lines = list(commands("barkclient"))
    assert len(lines) > 15
    for words in lines:
        parse(words, {})


def test_barkserve_lines_parse() -> None:
    lines = list(commands("barkserve"))
    assert len(lines) >= 5
    for words in lines:
        own, command = _split_command(words)
        _parser().parse_args(own)
        if command:
            parse(command[1:], {})


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_options_exist(page: Path) -> None:
    """Options in running text; `kubectl ... --option` and the like belong to other programs."""
    others = ("helm ", "kubectl ", "docker ")
    spans = [span for span in inline_code(page) if not span.startswith(others)]
    named = {option for span in spans for option in OPTION.findall(span)}
    assert named <= known_options()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_modules_exist(page: Path) -> None:
    text = code(page)
    for module in re.findall(r"\b((?:training|benchmarks)(?:\.[a-z_]+)+)\b", text):
        assert exists_as_module(module), module
    for step in re.findall(r"python -m training ([a-z]+)", text):
        assert step in STEPS, step


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    targets |= {f"train-{step}" for step in [*STEPS, "NAME"]}
    for target in re.findall(r"(?<!-)\bmake ([a-z][a-zA-Z-]*)", code(page)):
        assert target in targets, target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_paths_exist(page: Path) -> None:
    spans = inline_code(page) + re.findall(r"\btests/[\w/]+\.py", code(page))
    for span in spans:
        if PATH.fullmatch(span):
            assert any((ROOT / root / span).exists() for root in PACKAGE_ROOTS), span


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_named_metrics_exist(page: Path) -> None:
    names = {spec.exported_name for spec in CATALOG.values()} | {"barkserve_limits"}  # a claim
    for name in re.findall(r"\bbarkserve_[a-z_]+\b", code(page)):
        assert name in names or re.sub(r"_(bucket|count|sum)$", "", name) in names, name


def test_named_chart_keys_exist() -> None:
    schema = (ROOT / "helm/barkserve/values.schema.json").read_text()
    spans = inline_code(ROOT / "docs/kubernetes.md")
    keys = {span for span in spans if re.fullmatch(r"[a-z]+(\.?[A-Z][a-z]+|\.[a-z]+)*", span)}
    keys = {key for key in keys if "." in key or not key.islower()} - {"preStop.sleep"}
    assert len(keys) > 12
    assert {key for key in keys if f'"{key.split(".")[0]}"' not in schema} == set()


def test_quoted_messages_exist() -> None:
    """The literal parts of the messages under Troubleshooting stand in the sources."""
    folders = (ROOT / "services/barkserve", ROOT / "clients/python/barkclient")
    sources = "".join(path.read_text() for folder in folders for path in folder.glob("**/*.py"))
    _, _, section = (ROOT / "docs/operations.md").read_text().partition("## Troubleshooting")
    messages = re.findall(r"^\| `([^`]*)` \|", section, re.MULTILINE)
    assert len(messages) > 4
    for message in messages:
        for part in re.split(
            r"localhost:\d+|\d+|\.\.\.|\(.*\)|the \w+(?: service)?|length", message
        ):
            assert part.strip(" :") in sources, message


def test_every_snippet_is_executed_or_excused() -> None:
    """A new snippet needs an entry in tests/support/snippets.py, and a test that executes it."""
    every = list(snippets())
    unknown = {(snippet.page, snippet.text) for snippet in every}
    unknown -= {(s.page, s.text) for s in every if s.test or s.excuse}
    assert unknown == set()
    assert set(NOT_EXECUTED) == {snippet.excuse for snippet in every} - {None}
    for test in set(EXECUTED.values()):
        assert (ROOT / test).exists(), test


def test_snippet_run_as_a_command_is_one_of_barkclient() -> None:
    for snippet in snippets():
        if snippet.test and not snippet.language:
            assert "barkclient " in snippet.text, snippet
