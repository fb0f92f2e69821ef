"""The table of harnesses."""

import pytest

from agent_swarm.domain.errors import UnknownReference
from agent_swarm.harness import registry
from agent_swarm.services.harnesses import HARNESSES


def test_given_the_table_when_its_names_are_asked_for_then_they_are_those_of_the_page() -> None:
    assert registry.known_names() == HARNESSES


@pytest.mark.parametrize("name", registry.known_names())
def test_given_a_known_name_when_it_is_looked_up_then_the_harness_calls_itself_that(name: str) -> None:
    assert registry.get(name).name == name


def test_given_a_name_that_is_not_in_the_table_when_it_is_looked_up_then_the_error_lists_what_there_is() -> None:
    with pytest.raises(UnknownReference, match=r"no harness 'os\.system'; expected one of: claude, codex, copilot"):
        registry.get("os.system")


def test_given_this_host_when_it_is_asked_what_can_run_then_all_that_need_nothing_can() -> None:
    assert set(registry.available()) >= {"noop", "script", "shell"}
