"""Files of other systems become workflows that can be run, and what has no place in them is told."""

from typing import Any

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.workflows import claude_tasks, symphony
from agent_swarm.workflows.document import SwarmStage
from agent_swarm.workflows.reading import read_workflow
from agent_swarm.workflows.rendering import Known, task_input

SYMPHONY = """---
tracker:
  kind: linear
  project_slug: shop
hooks:
  after_create: git clone it
agent:
  max_concurrent_agents: 4
codex:
  turn_timeout_ms: 90000
---

You work on {{ issue.identifier }}: {{ issue.title | upcase }}.

{% if attempt %}Go on with attempt {{ attempt }}.{% endif %}
"""


def test_given_a_symphony_file_when_imported_then_its_prompt_is_a_stage_and_the_issue_an_input() -> None:
    found = symphony.translated(SYMPHONY)

    workflow = read_workflow(found.text)
    (stage,) = workflow.stages
    assert isinstance(stage, SwarmStage)
    assert stage.timeout_seconds == 90
    issue = {"identifier": "SHOP-1", "title": "a price"}
    prompt = task_input(stage, Known(run_id="r", workflow=workflow, inputs={"issue": issue}).names())["prompt"]
    assert prompt.startswith("You work on SHOP-1: a price.")
    assert "Go on with attempt [attempt]." in prompt
    told = "\n".join(found.left_out)
    assert all(word in told for word in ("tracker", "hooks", "agent:", "upcase", "attempt", "{% if attempt %}"))


@pytest.mark.parametrize("text", ["just a prompt", "---\n---\n", "---\ntracker: {}\n"])
def test_given_a_symphony_file_that_lacks_a_part_when_imported_then_it_can_be_run_all_the_same(text: str) -> None:
    assert read_workflow(symphony.translated(text).text).name == "issue"


def test_given_front_matter_that_is_no_mapping_when_imported_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no mapping"):
        symphony.translated("---\n- a\n---\nbody")


def task(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "subject": f"Do {number}", "description": "", "status": "pending", **fields}


def test_given_tasks_of_a_team_when_imported_then_open_ones_are_stages_that_need_what_blocks_them() -> None:
    tasks = [
        task(1, status="completed"),
        task(2, blockedBy=["1"], owner="ada"),
        task(3, blockedBy=["1", "2"], description="with {{ braces }}"),
        task(10, blocks=["2"]),
        task(11, status="deleted"),
    ]

    found = claude_tasks.translated("my team", tasks)

    workflow = read_workflow(found.text)
    assert {stage.name: stage.needs for stage in workflow.stages} == {
        "task-2": ["task-10"],
        "task-3": ["task-2"],
        "task-10": [],
    }
    third = workflow.stage("task-3")
    assert isinstance(third, SwarmStage)
    body = task_input(third, Known(run_id="r", workflow=workflow, inputs={}).names())
    assert (body["title"], body["prompt"]) == ("Do 3", "Do 3\n\nwith {{ braces }}")
    assert [line for line in found.left_out if "owner ada" in line or "deleted" in line or "completed" in line]


def test_given_a_team_without_open_tasks_when_imported_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="0 open tasks"):
        claude_tasks.translated("t", [task(1, status="completed")])
