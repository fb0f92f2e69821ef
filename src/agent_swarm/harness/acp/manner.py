"""What is different from agent to agent, of those that speak the Agent Client Protocol."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one of them talks. Without a word about it, as the protocol has it."""

    name: str
    title: str
    remedy: str  # where it has no credentials
    takes_system_prompt: bool = False  # by a setting of its own
    does_leave: bool = True  # when its input ends
    tells_history_late: bool = False  # after it has loaded a conversation, until it tells its commands
    names_in_ids: bool = False  # the id of a call begins with the tool's name, and its title does not tell it
    names_by_kind: bool = False  # titles of calls are in the model's own words; that of an `other` is its name
    calls_at_once: bool = False  # a call is whole when it is told first, and that it began is not told
    sums_usage: bool = False  # the tokens of a turn are those of the process so far
    leaves_when_refused: bool = False  # a call that was refused ends the turn, as if all were well
    fails_in_words: bool = False  # so does a model that fails; its last words are `Error: …`
    notices: re.Pattern[str] | None = None  # what it says of itself among the words of its model
