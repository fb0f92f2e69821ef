"""`agent-swarm workflow` where no server is needed: files are looked at, and made of those of other systems."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow

GOOD = """
name: release
stages:
  - name: build
    kind: shell
    needs: [check]
    foreach: [linux, mac]
    run: make
  - {name: check, kind: noop, if: "true", gate: {title: "Go?"}}
"""


def test_given_a_file_when_it_is_looked_at_then_faults_are_told_by_line_and_stages_in_their_order(
    run: Run, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("needs: [check]", "needs: [chekc]"))

    assert run("workflow", "validate", str(good)).out == f"{good}: release is valid, 2 stages\n"
    refused = run("workflow", "validate", str(bad))
    assert refused.code == 1
    assert f"{bad}: line 6: stage 'build', needs[0]: there is no stage 'chekc'" in refused.err
    listed = json.loads(run("workflow", "list", str(good), "--json").out)
    assert [one["name"] for one in listed["stages"]] == ["check", "build"]
    shown = run("workflow", "list", str(good)).out
    assert "asks people" in shown
    assert "for each of 2 items" in shown
    assert json.loads(run("workflow", "schema").out)["title"] == "Agent Swarm workflow"


def test_given_files_of_other_systems_when_imported_then_what_is_printed_is_valid_and_the_rest_is_told(
    run: Run, tmp_path: Path
) -> None:
    symphony, team = tmp_path / "WORKFLOW.md", tmp_path / "team"
    symphony.write_text("---\ntracker: {kind: linear}\n---\nWork on {{ issue.title }}")
    team.mkdir()
    (team / "1.json").write_text(json.dumps({"id": "1", "subject": "First", "status": "pending"}))
    (team / "2.json").write_text(json.dumps({"id": "2", "subject": "Second", "blockedBy": ["1"], "owner": "ada"}))

    for source, told in ((symphony, "left out: tracker"), (team, "left out: task 2: its owner ada")):
        made = run("workflow", "import", str(source))
        assert made.code == 0, made.err
        assert told in made.err
        assert run("workflow", "validate", "-", stdin=made.out).code == 0
    assert "holds no tasks" in run("workflow", "import", str(tmp_path / "team" / "..")).err
