"""Links between pages lead somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from scripts.docs.markdown import anchor
from tests.promises.project import ROOT, pages, without_blocks

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FOREIGN = ("http://", "https://", "mailto:")


def anchors(text: str) -> set[str]:
    """Where links into a page can go."""
    return {
        anchor(heading.replace("`", "")) for heading in re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    }


def leads_somewhere(path: Path, link: str) -> bool:
    """Whether a relative link on the page at `path` has a target inside the project."""
    name, _, fragment = link.partition("#")
    target = (path.parent / unquote(name)).resolve() if name else path
    if not target.exists() or ROOT not in (target, *target.parents):
        return False
    return not fragment or fragment in anchors(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_page_then_its_relative_links_lead_to_files_and_headings(path: Path) -> None:
    links = [link for link in LINK.findall(without_blocks(pages()[path])) if not link.startswith(FOREIGN)]
    assert not [link for link in links if not leads_somewhere(path, link)]


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_page_then_no_two_of_its_headings_have_the_same_anchor(path: Path) -> None:
    headings = re.findall(r"^#+ (.+)$", without_blocks(pages()[path]), re.MULTILINE)
    found = [anchor(heading.replace("`", "")) for heading in headings]
    repeated = {name for name in found if found.count(name) > 1}
    linked = {link.partition("#")[2] for link in LINK.findall(pages()[path])}
    assert not repeated & linked


def test_given_the_documentation_then_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    open_ends = [ROOT / "README.md"]
    while open_ends:
        path = open_ends.pop()
        if path in reached or path not in pages():
            continue
        reached.add(path)
        links = [link.partition("#")[0] for link in LINK.findall(pages()[path]) if not link.startswith(FOREIGN)]
        open_ends.extend((path.parent / link).resolve() for link in links if link)
    ours = {path for path in pages() if path.parent == ROOT or "docs" in path.relative_to(ROOT).parts}
    assert ours - reached == set()
