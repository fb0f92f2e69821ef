"""Which names may be stored, which entry counts, and which of them reach agents."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_swarm import config
from agent_swarm.domain.configuration import (
    RESERVED,
    ConfigScope,
    Use,
    places,
    reaches_agents,
    require_storable,
    resolved,
    use_of,
)
from agent_swarm.domain.errors import InvalidInput
from agent_swarm.server.settings import ServerSettings


@dataclass(frozen=True)
class Entry:
    scope: ConfigScope
    scope_id: str
    key: str
    text: str = ""


def any_case(name: str) -> st.SearchStrategy[str]:
    return st.lists(st.booleans(), min_size=len(name), max_size=len(name)).map(
        lambda uppers: "".join(c.upper() if up else c.lower() for c, up in zip(name, uppers, strict=True))
    )


@given(st.sampled_from(sorted(RESERVED)).flatmap(any_case))
def test_given_a_reserved_name_in_any_case_when_judged_then_it_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="is reserved"):
        require_storable(ConfigScope.GLOBAL, "", key)


@pytest.mark.parametrize("key", ["", "1A", "A B", "A\n", "A=B", "ÄPI", "a" * 129, "API_KEY ", "ſecret"])
def test_given_what_is_no_name_when_judged_then_it_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        require_storable(ConfigScope.GLOBAL, "", key)


def test_given_a_place_that_is_none_when_judged_then_it_is_refused() -> None:
    for scope, scope_id in ((ConfigScope.GLOBAL, "x"), (ConfigScope.PROJECT, "")):
        with pytest.raises(InvalidInput, match="scopeId"):
            require_storable(scope, scope_id, "A")


def test_given_entries_at_several_places_when_resolved_then_the_most_specific_one_counts() -> None:
    where = places(agent_id="a", project_id="p", swarm_id="s")
    assert [scope.value for scope, _ in where] == ["agent", "project", "swarm", "global"]
    found = [
        [Entry(scope, of, key) for key in keys]
        for (scope, of), keys in zip(where, ["A", "AB", "BC", "ABCD"], strict=True)
    ]
    assert {key: entry.scope.value for key, entry in resolved(found).items()} == {
        "A": "agent",
        "B": "project",
        "C": "swarm",
        "D": "global",
    }


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "http_proxy", "_X", "NODE_ENV"])
def test_given_the_name_of_a_variable_then_it_reaches_agents(name: str) -> None:
    assert reaches_agents(name)


@pytest.mark.parametrize("name", ["a.b", "a-b", "PATH", "home", "AGENT_SWARM_TOKEN", "agent_swarm_url", "LD_PRELOAD"])
def test_given_a_name_of_the_programs_own_or_of_no_variable_then_it_does_not_reach_agents(name: str) -> None:
    assert not reaches_agents(name)


def test_given_every_setting_of_the_server_then_its_variable_does_not_reach_agents() -> None:
    variables = [one for source in config.settings_of(ServerSettings).values() for one in source.env]
    assert [name for name in variables if reaches_agents(name)] == []


def test_given_a_setting_that_is_stored_when_it_is_global_then_the_server_reads_it() -> None:
    known = {"AGENT_SWARM_NO_AGENT_MINUTES": None}
    assert use_of(Entry(ConfigScope.GLOBAL, "", "AGENT_SWARM_NO_AGENT_MINUTES"), known) is Use.SETTING
    assert use_of(Entry(ConfigScope.PROJECT, "p", "AGENT_SWARM_NO_AGENT_MINUTES"), known) is Use.NONE
    assert use_of(Entry(ConfigScope.PROJECT, "p", "TOKEN"), known) is Use.ENVIRONMENT
