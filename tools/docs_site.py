"""Write the pages of the docs site: docs/, and a reference of the client and the protos.

Usage: ``python -m tools.docs_site FOLDER``. `make docs` then builds the site from FOLDER.

Pages in docs/ may link to any file of the repository, which works on GitHub. On the site, links
to files outside docs/ lead to GitHub. A link to a file that does not exist is an error.
"""

import ast
import os
import re
import shutil
import sys
from pathlib import Path

from tools import proto_reference

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CLIENT = ROOT / "clients" / "python" / "barkclient" / "__init__.py"
REPOSITORY = "https://github.com/barkserve/barkserve"
LINK = re.compile(r"(\]\()(?!https?:|mailto:)([^)#\s]+)((?:#[^)\s]*)?\))")


def write_pages(out: Path) -> None:
    """Replace the contents of the folder `out` by the site's pages."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(DOCS, out)
    for page in out.rglob("*.md"):
        page.write_text(link_to_repository(page.read_text(), DOCS / page.relative_to(out)))
    reference = out / "reference"
    reference.mkdir()
    (reference / "python.md").write_text(client_page())
    for name, text in proto_reference.pages(proto_reference.read_protos()).items():
        (reference / f"{name}.md").write_text(text)


def link_to_repository(markdown: str, page: Path) -> str:
    """Return the page with its links to files outside docs/ leading to the repository.

    Raises:
        FileNotFoundError: A link names a file that does not exist.
    """

    def replace(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        path = Path(os.path.normpath(page.parent / target))
        if not path.exists():
            raise FileNotFoundError(f"{page} links to {target}, which does not exist")
        if path.is_relative_to(DOCS):
            return match[0]
        kind = "tree" if path.is_dir() else "blob"
        return f"{before}{REPOSITORY}/{kind}/main/{path.relative_to(ROOT)}{after}"

    return LINK.sub(replace, markdown)


def client_page() -> str:
    """Return the page of the Python client: each public name, for mkdocstrings to fill in."""
    names = next(
        ast.literal_eval(statement.value)
        for statement in ast.parse(CLIENT.read_text()).body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
    )
    heading = "# Python client\n\nEverything that `import barkclient` offers."
    return "\n\n".join([heading, *(f"::: barkclient.{name}" for name in names)]) + "\n"


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
