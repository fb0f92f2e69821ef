"""Changing a value makes another one, and only of fields that it has."""

from dataclasses import fields

import pytest

from agent_swarm.domain.tasks import TaskState, TaskStatus
from agent_swarm.domain.values import changed

TASK = TaskState(id="a", status=TaskStatus.PENDING)


def test_given_a_value_when_fields_of_it_are_changed_then_the_rest_and_the_value_itself_stay_as_they_are() -> None:
    other = changed(TASK, fence=7)
    assert other == TaskState(id="a", status=TaskStatus.PENDING, fence=7)
    assert TASK.fence == 0


def test_given_a_field_that_a_value_does_not_have_when_it_is_changed_then_it_is_named() -> None:
    with pytest.raises(TypeError, match="TaskState has no field fences"):
        changed(TASK, fence=1, fences=2)


def test_given_fields_that_are_changed_in_any_order_when_they_are_listed_then_they_are_in_the_order_of_the_class() -> (
    None
):
    """The writer of tasks compares two states field by field."""
    names = [field.name for field in fields(TaskState)]
    assert list(vars(TASK)) == list(vars(changed(changed(TASK, fence=7), attempt=1, agent_id="b"))) == names
