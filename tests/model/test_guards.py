"""Tests notice when a guard is gone."""

from dataclasses import replace
from pathlib import Path

import pytest
from scripts.guards.copies import Copy, SourceNotFoundError
from scripts.guards.guard import Guard
from scripts.guards.main import main
from scripts.guards.table import GUARDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_given_a_guard_of_the_table_then_it_stands_in_its_file_and_its_tests_exist(guard: Guard) -> None:
    assert (ROOT / guard.path).read_text(encoding="utf-8").count(guard.source) == 1
    for test in guard.tests:
        path, *names = test.split("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(f"def {name}(" in text or f"class {name}:" in text for name in names), test


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_given_any_guard_when_it_is_taken_away_then_a_test_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The suite runs the tests of all guards, with every guard in its place; that need not be done twice."""
    assert main([], ROOT, are_known_to_pass=True) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_given_a_change_that_no_test_notices_when_it_is_tried_then_it_survives_and_the_tree_is_as_before(
    tmp_path: Path,
) -> None:
    guard = next(one for one in GUARDS if one.name == "a credit is taken once")
    before = (ROOT / guard.path).read_bytes()
    with Copy(ROOT, tmp_path / "copy") as copy:
        assert copy.try_without(guard) == "killed"
        assert copy.try_without(replace(guard, mutant=guard.source)) == "survived"
    assert (ROOT / guard.path).read_bytes() == (tmp_path / "copy" / guard.path).read_bytes() == before


@pytest.mark.slow
def test_given_a_guard_that_was_rewritten_when_it_is_tried_then_its_file_is_named(tmp_path: Path) -> None:
    with Copy(ROOT, tmp_path / "copy") as copy, pytest.raises(SourceNotFoundError, match=GUARDS[0].path):
        copy.try_without(replace(GUARDS[0], source="no such line"))


def test_given_a_name_that_no_guard_has_when_it_is_chosen_then_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["no such guard"], ROOT) == 2
    assert "no guard is named like no such guard" in capsys.readouterr().err
