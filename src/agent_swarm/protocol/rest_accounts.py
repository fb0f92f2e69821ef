"""The REST shapes of accounts of agent CLIs. No token is ever in one that is answered."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.domain.configuration import ENTRIES_PER_PLACE, VALUE_BYTES
from agent_swarm.protocol.rest import Input, Output, Text, at_most


class AccountInput(Input):
    """Body of `PUT /api/accounts/{kind}/{name}`: the file of the agent CLI, as it stands."""

    file: Annotated[Text, Field(min_length=1, max_length=VALUE_BYTES, repr=False)]


class Account(Output):
    """An account. `isRefreshed`: the server sees to it that it does not run out; else `problem` may say what to do."""

    kind: str
    name: str
    state: Literal["usable", "expired", "unreadable"]
    problem: str = ""
    is_refreshed: bool = False
    expires_at: str | None = None
    refreshed_at: str | None = None


class AccountList(Output):
    """Every account, by kind and name."""

    accounts: Annotated[list[Account], at_most(ENTRIES_PER_PLACE)]
