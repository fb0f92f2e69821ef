"""What in docs/ comes from the code is what the code says now."""

import difflib
import os
import subprocess
import sys

import pytest
from scripts.contract.frozen import CONTRACTS
from scripts.docs.pages import PAGES, all_paths, current
from tests.promises.project import ROOT


@pytest.mark.parametrize("path", all_paths())
def test_given_the_code_when_a_page_is_written_anew_then_it_is_as_it_stands(path: str) -> None:
    stands = (ROOT / path).read_text(encoding="utf-8").splitlines()
    differences = list(
        difflib.unified_diff(stands, current(ROOT, path).splitlines(), path, "the code", lineterm="", n=0)
    )
    assert not differences, "\n".join(["run scripts/make-docs", *differences[:40]])


@pytest.mark.parametrize("path", PAGES)
def test_given_another_home_and_terminal_when_a_page_is_written_then_it_is_the_same(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = PAGES[path]()
    for name, value in (("AGENT_SWARM_HOME", "/elsewhere"), ("HOME", "/nowhere"), ("COLUMNS", "40"), ("PORT", "1")):
        monkeypatch.setenv(name, value)
    assert PAGES[path]() == here


def test_given_the_reference_then_every_page_of_it_is_written_by_the_script() -> None:
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "reference").iterdir()} == set(PAGES)


@pytest.mark.slow
def test_given_current_pages_when_the_script_checks_them_then_it_says_so_by_its_exit_code() -> None:
    wanted = {path: current(ROOT, path) for path in all_paths()}
    wanted |= {contract.path: contract.render() for contract in CONTRACTS}
    stale = [path for path, text in wanted.items() if (ROOT / path).read_text(encoding="utf-8") != text]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make-docs", "--check"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if stale else 0), done.stderr
    assert all(path in done.stderr for path in stale)
