"""What pages say about files, names and figures is so."""

import re
from pathlib import Path

import pytest
from tests.promises.project import ROOT, SOURCE, page, pages, rows, sources, texts, without_blocks

WRITTEN = [path for path in pages() if "reference" not in path.parts]
FOLDERS = {child.name for child in (*SOURCE.iterdir(), *ROOT.iterdir()) if child.is_dir()}
TOLD_APART = re.compile(r"`([\w/.-]+\.py)`\s+\((`[^)]*`[^)]*)\)")
ADR_PARTS = ("Context", "Decision", "Alternatives", "Consequences")
ONE_PAGE = 60  # lines


def found(name: str) -> Path | None:
    """The file that a page means: from the root, or from the package."""
    return next((base / name for base in (ROOT, SOURCE) if (base / name).exists()), None)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_page_when_it_names_a_file_of_ours_then_there_is_one(path: Path) -> None:
    named = set(re.findall(r"`([\w.-]+/[\w/.-]+)`", without_blocks(pages()[path])))
    ours = {name for name in named if name.split("/")[0] in FOLDERS and "." in name}
    assert not [name for name in sorted(ours) if found(name) is None]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_given_a_page_when_it_names_something_in_a_file_then_it_is_there(path: Path) -> None:
    for name, inside in TOLD_APART.findall(pages()[path]):
        target = found(name)
        assert target is not None, name
        content = target.read_text(encoding="utf-8")
        missing = [word for word in re.findall(r"`(\w+)`", inside) if not re.search(rf"\b{word}\b", content)]
        assert not missing, f"{name} has no {', '.join(missing)}"


def test_given_the_figures_to_watch_then_the_server_has_them() -> None:
    named = set(re.findall(r"\bagent_swarm_[a-z_]+", page("docs/operating.md")))
    metrics = (SOURCE / "server" / "metrics.py").read_text(encoding="utf-8")
    kinds = {"agent_swarm_tasks", "agent_swarm_agents"}  # made from the overview
    assert {name for name in named - kinds if name.removesuffix("_total") not in metrics} == set()


def test_given_the_lines_of_the_log_to_watch_then_the_program_writes_them() -> None:
    paragraph = re.search(r"^In the log: (.*?)\n\n", page("docs/operating.md"), re.MULTILINE | re.DOTALL)
    assert paragraph is not None
    written = {name for path in sources() for name in re.findall(r'log\w*\.\w+\(\s*"(\w+)"', texts()[path])}
    assert set(re.findall(r"`(\w+)`", paragraph[1])) <= written


def test_given_the_glossary_then_no_word_is_told_twice_and_each_is_in_use() -> None:
    words = [word.strip() for row in rows(page("docs/glossary.md")) for word in row[0].split(",")]
    told = [word for word in words if word != "Word"]
    assert len(told) == len(set(told))
    used = " ".join(texts()[path].lower().replace("_", " ") for path in sources())
    unused = [word for word in told if word.removeprefix("to ").replace("-", "") not in used.replace("-", "")]
    assert not unused


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("0*.md")), ids=lambda path: path.stem)
def test_given_a_decision_then_it_has_its_parts_on_one_page_and_its_line_in_the_list(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    title = re.match(rf"# {path.stem[:4]}: (.+)\n", text)
    assert title is not None
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(ADR_PARTS)
    assert len(text.splitlines()) <= ONE_PAGE
    assert f"| [{path.stem[:4]}]({path.name}) | {title[1]} |" in page("docs/adr/README.md")


def test_given_the_decisions_then_their_numbers_have_no_gap() -> None:
    numbers = [int(path.stem[:4]) for path in sorted((ROOT / "docs" / "adr").glob("0*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
