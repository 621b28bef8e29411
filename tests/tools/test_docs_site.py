"""The docs site: links out of docs/, the client's reference, and a strict build."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import barkclient
from tools.docs_site import DOCS, ROOT, client_page, link_to_repository, write_pages


def test_links_outside_docs_lead_to_the_repository() -> None:
    page = "[a](../Makefile) [b](../helm/barkserve#c) [d](https://e.f) [g](README.md#h)"
    assert link_to_repository(page, DOCS / "clients.md") == (
        "[a](https://github.com/barkserve/barkserve/blob/main/Makefile) "
        "[b](https://github.com/barkserve/barkserve/tree/main/helm/barkserve#c) "
        "[d](https://e.f) [g](README.md#h)"
    )


@pytest.mark.parametrize("target", ["../missing.py", "missing.md", "missing.png"])
def test_links_to_missing_files_are_errors(target: str) -> None:
    with pytest.raises(FileNotFoundError, match=target):
        link_to_repository(f"[a]({target})", DOCS / "clients.md")


def test_client_page_has_every_public_name() -> None:
    page = client_page()
    assert all(f"::: barkclient.{name}\n" in page for name in barkclient.__all__)


def test_navigation_lists_every_page(tmp_path: Path) -> None:
    write_pages(tmp_path / "docs")
    pages = {str(path.relative_to(tmp_path / "docs")) for path in tmp_path.rglob("*.md")}
    listed = re.findall(
        r"^ +- (?:.*: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE
    )
    assert sorted(listed) == sorted(pages), "list each page under nav in mkdocs.yml"


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site from folder/docs into folder/site, with the settings of mkdocs.yml."""
    settings = (ROOT / "mkdocs.yml").read_text()
    settings = settings.replace("build/docs", "docs").replace(
        "paths: [", f"paths: [{ROOT / 'clients' / 'python'}, {ROOT / 'services'}, "
    )
    (folder / "mkdocs.yml").write_text(settings)
    return subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_site_builds_without_warnings(tmp_path: Path) -> None:
    write_pages(tmp_path / "docs")
    built = build(tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    reference = tmp_path / "site" / "reference"
    assert "AsyncClient" in (reference / "python" / "index.html").read_text()
    assert "StreamingSynthesize" in (reference / "speech" / "index.html").read_text()


def test_site_build_fails_on_a_missing_anchor(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Page\n\n[a](#missing)\n")
    assert build(tmp_path).returncode != 0
