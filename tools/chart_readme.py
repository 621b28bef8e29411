"""Writes helm/barkserve/README.md: every value of the chart with its default and its comment.

The comments of values.yaml are the descriptions.

    python -m tools.chart_readme
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHART = Path(__file__).parents[1] / "helm/barkserve"
PATH = CHART / "README.md"

_LINE = re.compile(
    r"^(?P<indent> *)(?P<key>[\w.-]+(?:/[\w.-]+)?):(?: +(?P<value>[^#]*?))?(?: +# (?P<text>.*))?$"
)
_COMMENT = re.compile(r"^ *# ?(?P<text>.*)$")
_ALTERNATIVE = re.compile(r"^ *(\w+) {2,}")  # "name   what it means", one line each

_HEAD = """# Chart of barkserve

Suno's Bark text-to-speech as gRPC services, each stage with its own replicas and its own scaling.
[Kubernetes](../../docs/kubernetes.md) explains the choices; `ci/` has values for many situations.

```
helm install bark helm/barkserve --namespace speech --create-namespace
```

`python -m tools.chart_readme` writes this file from values.yaml.

| value | default | description |
|---|---|---|
"""


@dataclass(frozen=True)
class Value:
    """One value of the chart.

    Attributes:
        path: its keys, joined by dots.
        default: as in values.yaml; empty for a map whose values follow.
        text: its comment.
    """

    path: str
    default: str
    text: str


def values(text: str) -> Iterator[Value]:
    """The values of a values.yaml in order."""
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := _COMMENT.match(line):
            comment.append(_ALTERNATIVE.sub(r"<br>`\1`: ", found["text"]))
        elif found := _LINE.match(line):
            indent = len(found["indent"])
            parents = [each for each in parents if each[0] < indent]
            path = ".".join([*(key for _, key in parents), found["key"]])
            described = [*comment, found["text"]] if found["text"] else comment
            yield Value(path, found["value"] or "", " ".join(" ".join(described).split()))
            parents.append((indent, found["key"]))
            comment = []
        else:
            comment = []


def text() -> str:
    """The README as it is in the file."""
    rows = [
        f"| `{each.path}` | {f'`{each.default}`' if each.default else ''} | {_cell(each.text)} |\n"
        for each in values((CHART / "values.yaml").read_text())
        if each.default or each.text
    ]
    return _HEAD + "".join(rows)


def _cell(comment: str) -> str:
    return comment.strip("- ").removeprefix("<br>").replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(text())
