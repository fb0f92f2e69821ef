"""What other people's programs rely on stays as it was, or the break is written down with its recipe."""

import json
import shutil
from pathlib import Path

import pytest
from scripts.contract import frozen
from scripts.contract.frozen import BREAKS, CONTRACTS, Contract, KnownBreak
from scripts.docs.main import main
from tests.promises.project import ROOT

REST = CONTRACTS[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of docs/ in which a contract can be another."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    return tmp_path


def promise(project: Path, *, query: str) -> str:
    """Have the frozen contract promise one more parameter of `GET /api/agents`; answers the break that this makes."""
    promised = json.loads((project / REST.path).read_text(encoding="utf-8"))
    parameters = promised["paths"]["/api/agents"]["get"]["parameters"]
    parameters.append({"in": "query", "name": query, "required": False, "schema": {"type": "string"}})
    (project / REST.path).write_text(json.dumps(promised), encoding="utf-8")
    return f"GET /api/agents: removed the parameter query.{query}"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_given_the_code_when_a_contract_is_written_anew_then_it_is_as_it_stands(contract: Contract) -> None:
    stands = (ROOT / contract.path).read_text(encoding="utf-8")
    assert stands == contract.render(), frozen.report(contract, frozen.changes_since(ROOT, contract))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_given_the_frozen_contract_when_the_code_is_compared_then_it_breaks_nothing_that_is_not_written_down(
    contract: Contract,
) -> None:
    breaks = frozen.unexpected(contract.name, frozen.changes_since(ROOT, contract), frozen.known_breaks(ROOT))
    assert not breaks, frozen.report(contract, breaks)


def test_given_the_known_breaks_then_the_changelog_tells_each_recipe() -> None:
    untold = frozen.untold(frozen.known_breaks(ROOT), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert not untold, "CHANGELOG.md has to say what to do about these"


def test_given_a_contract_when_it_is_written_twice_then_it_is_the_same() -> None:
    assert [contract.render() for contract in CONTRACTS] == [contract.render() for contract in CONTRACTS]
    assert "version" not in REST.now()["info"]


@pytest.mark.slow
def test_given_a_break_that_nobody_wrote_down_when_docs_are_made_then_the_contract_stays_and_the_break_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = promise(project, query="colour")
    promised = (project / REST.path).read_text(encoding="utf-8")

    assert main([], project) == 1
    told = capsys.readouterr().err
    assert f"BREAKS  {broken}" in told
    assert BREAKS in told
    assert (project / REST.path).read_text(encoding="utf-8") == promised


@pytest.mark.slow
def test_given_a_break_written_down_with_its_recipe_when_docs_are_made_then_the_contract_moves_on(
    project: Path,
) -> None:
    known = {"contract": "openapi", "change": promise(project, query="colour"), "recipe": "filter by tag instead"}
    (project / BREAKS).write_text(json.dumps([known]), encoding="utf-8")

    assert main([], project) == 0
    assert (project / REST.path).read_text(encoding="utf-8") == REST.render()


def test_given_a_recipe_that_the_changelog_does_not_tell_then_it_is_found() -> None:
    told = KnownBreak("openapi", "x", "filter by tag\n  instead")
    untold = KnownBreak("openapi", "y", "ask for less")
    empty = KnownBreak("openapi", "z", "")

    assert frozen.untold([told, untold, empty], "- Gone: filter by\n  tag instead.") == [untold, empty]
