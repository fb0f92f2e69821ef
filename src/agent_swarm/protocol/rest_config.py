"""The REST shapes of stored configuration and of the keys that its secrets are encrypted with."""

from typing import Annotated

from pydantic import AfterValidator, Field

from agent_swarm.domain.configuration import (
    ENTRIES_PER_PLACE,
    KEY_CHARS,
    KEY_PATTERN,
    VALUE_BYTES,
    ConfigScope,
    Use,
    require_key,
)
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Label, Output, Text, at_most


def _storable_key(key: str) -> str:
    require_key(key)
    return key


ConfigKey = Annotated[Text, Field(max_length=KEY_CHARS, pattern=KEY_PATTERN), AfterValidator(_storable_key)]


class ConfigInput(Input):
    """Body of `PUT /api/config`: `value` may be left out to keep the one that is there.

    Without `isSecret` an entry stays what it is; a new one is no secret. What is a secret becomes plain text only
    together with a new value.
    """

    scope: ConfigScope
    scope_id: Label | None = None  # of a project or a swarm the id or the name, of an agent its AGENT_ID
    key: ConfigKey
    value: Annotated[Text, Field(min_length=1, max_length=VALUE_BYTES)] | None = None
    is_secret: bool | None = None


class ConfigEntry(Output):
    """A value that is stored. `value` of a secret is null, unless it was asked for.

    `use` is what the program does with it: a variable of agents' `environment`, a `setting` of the server, or `none`.
    """

    id: str
    scope: ConfigScope
    scope_id: str | None
    key: str
    value: str | None
    is_secret: bool
    use: Use
    created_at: str
    updated_at: str
    updated_by: str


class ConfigList(Output):
    """A page of the stored configuration, by place and key."""

    entries: Annotated[list[ConfigEntry], at_most(limits.PAGE_MAX)]
    next_cursor: str | None


class ResolvedConfig(Output):
    """What counts somewhere: one entry per key, each from the most specific place that has it."""

    entries: Annotated[list[ConfigEntry], at_most(4 * ENTRIES_PER_PLACE)]


class RotateInput(Input):
    """Body of `POST /api/keys/rotate`.

    `newKey` is the next master key; without one the server makes it, where it keeps its key in a file of its own.
    """

    new_key: Annotated[Text, Field(max_length=200)] | None = Field(default=None, repr=False)
    master_key: bool = True
    data_key: bool = False  # encrypt all values anew, under a new data key


class DataKey(Output):
    """A key that values are encrypted with; `values` says how many are."""

    id: str
    version: int
    is_active: bool
    master_key_id: str
    next_master_key_id: str | None
    values: int
    created_at: str


class KeyStatus(Output):
    """The encryption keys of this server: ids and places, never a key. `toDo` says what people have to do now."""

    master_key_id: str | None
    master_key_place: str
    next_master_key_id: str | None
    to_do: str
    data_keys: Annotated[list[DataKey], at_most(limits.PAGE_MAX)]


class ClosedValue(Output):
    """An encrypted value that cannot be opened."""

    name: str
    why: str


class KeyReport(Output):
    """What was opened with the keys of this server, and what could not be."""

    data_keys: int
    values: int
    unreadable: Annotated[list[ClosedValue], at_most(limits.PAGE_MAX)]
    unreadable_count: int
