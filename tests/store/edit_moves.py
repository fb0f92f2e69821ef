"""Moves of random histories with tasks that people change or put aside, and what holds after each of them."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.base import Engine, Queries
from agent_swarm.store.families.archived_tasks import ARCHIVED_TASKS, ArchivedTask, ArchiveTask
from agent_swarm.store.memory import MemoryEngine

EDITABLE = frozenset({TaskStatus.BACKLOG, TaskStatus.BLOCKED, TaskStatus.PENDING})
TAGS = ("linux", "gpu", "nobody-has-it")


def _archived(queries: Queries) -> list[ArchivedTask]:
    return queries.scan(ARCHIVED_TASKS, limit=999)


class EditMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    memory: MemoryEngine
    other: Engine
    tasks: list[str]
    edited: ClassVar[set[str]] = set()  # what happened in any history, so that a test may ask for it

    def __init__(self) -> None:
        super().__init__()
        self.wording: dict[str, dict[str, Any]] = {}  # of tasks that were changed: what they have to say now

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def some_tasks(self, data: st.DataObject, least: int = 1) -> list[str]:
        """Tasks of this history."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id."""
        raise NotImplementedError

    @precondition(lambda self: self.tasks)
    @rule(
        data=st.data(),
        title=st.sampled_from([None, "other"]),
        prompt=st.sampled_from([None, "do something else", "x" * 5_000]),
        labels=st.one_of(st.none(), st.lists(st.sampled_from(TAGS), max_size=2, unique=True)),
        any_tag=st.sampled_from([None, False, True]),
    )
    def edit(self, data: st.DataObject, title: str | None, prompt: str | None, labels: Any, any_tag: Any) -> None:
        """Tasks in any status; what they require may change with it."""
        chosen = None if labels is None else tuple(labels)
        for task_id in self.some_tasks(data):
            self.edit_one(task_id, title=title, prompt=prompt, labels=chosen, any_tag=any_tag)

    def edit_one(
        self,
        task_id: str,
        *,
        title: str | None = "other",
        prompt: str | None = None,
        labels: tuple[str, ...] | None = (TAGS[0],),
        any_tag: bool | None = True,
    ) -> None:
        """Change one task, and remember what it has to say where that was done."""
        status = self.memory.records[task_id].state.status
        operation = ops.EditTask(
            task_id=task_id, actor="operator", title=title, prompt=prompt, labels=labels, any_tag=any_tag
        )
        (reply,) = self.apply(operation)
        is_refused = isinstance(reply, SwarmError)
        assert is_refused == (status not in EDITABLE)
        self.edited.add(f"{status.value}: {reply.code if is_refused else 'changed'}")
        if is_refused:
            return
        said: dict[str, Any] = {"title": title, "prompt": prompt, "labels": labels}
        if labels is not None and any_tag is not None:
            said["any_tag"] = frozenset(labels if any_tag else ())
            if said["any_tag"]:
                self.edited.add("one tag has to fit")
        self.wording.setdefault(task_id, {}).update({name: value for name, value in said.items() if value is not None})

    @rule()
    def edit_what_is_not_there(self) -> None:
        """Nothing comes of it."""
        (reply,) = self.apply(ops.EditTask(task_id=self.fresh_id(), actor="operator", title="other"))
        assert isinstance(reply, SwarmError)
        self.edited.add(reply.code)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def archive(self, data: st.DataObject) -> None:
        """Put tasks aside, some once more."""
        for task_id in self.some_tasks(data):
            self.archive_one(task_id)

    def archive_one(self, task_id: str) -> None:
        """Put one task aside."""
        is_again = self.memory.kept(ARCHIVED_TASKS).get((task_id,)) is not None
        self.apply(ArchiveTask(task_id=task_id, actor="operator"))
        self.edited.add("archived again" if is_again else "archived")

    @invariant()
    def both_have_put_the_same_aside(self) -> None:
        assert self.memory.read(_archived) == self.other.read(_archived)

    @invariant()
    def a_task_says_what_it_was_told_to_say_last(self) -> None:
        for task_id, said in self.wording.items():
            spec = self.memory.records[task_id].spec
            now = {"title": spec.title, "prompt": spec.prompt, "labels": spec.labels, "any_tag": spec.requires.any_tag}
            assert said.items() <= now.items()
