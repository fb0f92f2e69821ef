"""The switches of the kill switch. They are used by operations of their own, which end attempts in the same batch."""

from agent_swarm.domain.kill_switch import Switch
from agent_swarm.store.base import Queries
from agent_swarm.store.families.family import Family

SWITCHES = Family("kill_switch", Switch, key=("scope", "scope_id"))
PAGE = 500


def all_switches(queries: Queries) -> list[Switch]:
    """Every switch that was ever used."""
    found: list[Switch] = []
    while page := queries.scan(SWITCHES, after=SWITCHES.key_of(found[-1]) if found else None, limit=PAGE):
        found.extend(page)
    return found


def killed_switches(queries: Queries) -> list[Switch]:
    """Those that are on."""
    return [switch for switch in all_switches(queries) if switch.is_killed]
