"""What comes next of a stage: in every workflow, whatever fails and whoever is killed, it comes to an end, once."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_swarm.workflows.deciding import (
    Ask,
    Child,
    DoBuiltin,
    Done,
    Facts,
    Failed,
    File,
    GateAnswer,
    RunScript,
    Wait,
    next_of_item,
    next_of_run,
    next_step,
)
from agent_swarm.workflows.document import Workflow
from agent_swarm.workflows.reading import workflow_of
from agent_swarm.workflows.rendering import Known, StageOutcome, StageStatus

KINDS: dict[str, dict[str, Any]] = {
    "noop": {},
    "shell": {"run": "true"},
    "builtin": {"uses": "format", "with": {"text": "{{ run.name }}"}},
    "swarm": {"prompt": "do it"},
}


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    stages: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        stage: dict[str, Any] = {"name": f"s{number}", "kind": kind, **KINDS[kind]}
        stage["needs"] = [one["name"] for one in stages if draw(st.booleans())]
        if draw(st.booleans()):
            stage["foreach"] = draw(st.lists(st.integers(), max_size=5))
            stage["maxParallel"] = draw(st.integers(1, 3))
        if draw(st.integers(0, 3)) == 0:
            stage["if"] = draw(st.sampled_from(["false", "true", "1 < 'x'"]))
        if draw(st.integers(0, 3)) == 0:
            stage["gate"] = {"title": "go?"}
        stage["continueOnError"] = draw(st.booleans())
        stages.append(stage)
    return workflow_of({"name": "w", "stages": draw(st.permutations(stages))})


@dataclass
class House:
    """The tasks of a run, as a store would keep them. `chance` decides what fails and who is killed."""

    workflow: Workflow
    chance: st.DataObject
    ended: dict[str, StageOutcome] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    filed: Counter[tuple[str, int]] = field(default_factory=Counter)

    def known(self) -> Known:
        return Known(run_id="r", workflow=self.workflow, inputs={}, stages=dict(self.ended))

    def ready(self) -> list[str]:
        """Stages that may be claimed: open, and all that they need has ended well."""
        return [
            one.name
            for one in self.workflow.stages
            if one.name not in self.ended
            and one.name not in self.failed
            and all(need in self.ended for need in one.needs)
        ]

    def cascade(self) -> None:
        """What needs a stage that failed fails, too."""
        for _ in self.workflow.stages:
            for one in self.workflow.stages:
                if one.name not in self.ended and any(need in self.failed for need in one.needs):
                    self.failed.setdefault(one.name, "dependencyFailed")

    def step(self, name: str) -> None:
        """One attempt at a stage."""
        stage, facts = self.workflow.stage(name), self.facts.get(name, Facts())
        match next_step(stage, self.known(), facts):
            case Done(outcome):
                self.ended[name] = outcome
            case Failed():
                self.failed[name] = "failed"
            case Ask():
                answer = GateAnswer.YES if self.draws("opens") else GateAnswer.NO
                self.facts[name] = replace(facts, gate=answer)
            case File(first, items, tasks):
                assert stage.foreach is None or len(items) <= stage.max_parallel
                assert bool(tasks) == (stage.kind == "swarm")
                assert len(facts.children) == first
                self.filed.update((name, first + place) for place in range(len(items)))
                new = tuple(Child(position=first + place, outcome=None) for place in range(len(items)))
                self.facts[name] = replace(facts, children=(*facts.children, *new))
            case Wait():
                assert any(child.outcome is None for child in facts.children)
                self.end_children(name, facts)
            case RunScript() | DoBuiltin():
                self.begun[name] += 1
                if self.draws("fails") and not stage.continue_on_error:
                    self.failed[name] = "exit code 1"
                else:
                    self.ended[name] = StageOutcome(status=StageStatus.COMPLETED)
        self.cascade()

    def end_children(self, name: str, facts: Facts) -> None:
        stage = self.workflow.stage(name)
        children = []
        for child in facts.children:
            outcome = child.outcome
            if outcome is None:
                if stage.kind != "swarm":
                    item = next_of_item(stage, self.known(), position=child.position, item=child.position)
                    assert isinstance(item, Done | RunScript | DoBuiltin)
                status = StageStatus.FAILED if self.draws("item fails") else StageStatus.COMPLETED
                outcome = StageOutcome(status=status, output="x")
            children.append(replace(child, outcome=outcome))
        self.facts[name] = replace(facts, children=tuple(children))

    def draws(self, what: str) -> bool:
        return self.chance.draw(st.integers(0, 3), label=what) == 3


@settings(max_examples=150, deadline=None)
@given(workflows(), st.data())
def test_given_any_workflow_when_it_is_carried_out_then_it_ends_and_no_part_of_it_is_begun_twice(
    workflow: Workflow, chance: st.DataObject
) -> None:
    house = House(workflow, chance)
    kills = 10
    for _ in range(50 * len(workflow.stages)):
        ready = house.ready()
        if not ready:
            break
        name = chance.draw(st.sampled_from(ready))
        if kills and house.draws("killed"):  # it decides, and does not live to do it
            kills -= 1
            next_step(workflow.stage(name), house.known(), house.facts.get(name, Facts()))
            continue
        house.step(name)

    assert not house.ready()
    assert set(house.ended) | set(house.failed) == {one.name for one in workflow.stages}
    assert all(number == 1 for number in (*house.begun.values(), *house.filed.values()))
    over = next_of_run(workflow, house.known(), house.failed)
    assert isinstance(over, Failed if house.failed else Done)


@given(workflows())
def test_given_stages_that_are_open_when_a_run_is_asked_what_comes_next_then_it_waits(workflow: Workflow) -> None:
    assert next_of_run(workflow, Known(run_id="r", workflow=workflow, inputs={}), {}) == Wait()
