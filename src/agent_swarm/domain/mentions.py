"""Who is meant by the `@words` of a message. Pure.

`@name` is an agent, `@role` all agents of a role, `@all` everybody the message may reach. A word is looked up in lower
case, with the spaces of a name written as `-`: `@code-reviewer` is the agent "Code Reviewer". An agent's name comes
before a role of the same word. What names nobody, or two agents, reaches nobody and is told to the sender.

No mention are e-mail addresses (something stands before the @), what is in a code block or between backticks, and an @
after a backslash. Dots and dashes at the end of a word are punctuation.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ALL = "all"
MOST = 50  # words of one message; later ones are text

_FENCE = re.compile(r"^[ \t]{0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]{0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_MENTION = re.compile(r"(?<![\w.+\-@/\\])@(\w[\w.\-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An agent as it can be mentioned."""

    id: str
    name: str
    roles: tuple[str, ...] = ()  # its free role, and `lead` or `worker`


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """Whom a text means. `unknown` and `ambiguous` are words that reach nobody."""

    agents: frozenset[str] = frozenset()  # by id
    is_all: bool = False
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


class Directory(Protocol):
    """Who is called how."""

    def named(self, word: str) -> Sequence[str]:
        """The agents that have this name, by id; where they are many, some of them."""
        ...

    def in_role(self, word: str) -> Sequence[str]:
        """The agents that have this role."""
        ...


@dataclass(slots=True)
class Register:
    """A directory of agents that are at hand."""

    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    roles: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, agents: Iterable[Named]) -> "Register":
        """The directory of these agents."""
        register = cls()
        for agent in agents:
            register.names[word_of(agent.name)].append(agent.id)
            for role in {word_of(role) for role in agent.roles if role.strip()}:
                register.roles[role].append(agent.id)
        return register

    def named(self, word: str) -> Sequence[str]:
        """The agents that have this name."""
        return self.names.get(word_of(word), ())

    def in_role(self, word: str) -> Sequence[str]:
        """The agents that have this role."""
        return self.roles.get(word_of(word), ())


def word_of(name: str) -> str:
    """How a name or a role is written behind an @."""
    return "-".join(name.lower().split())


def words_in(text: str) -> tuple[str, ...]:
    """The words behind the @s of a text, each once, in lower case and in their order."""
    if "@" not in text:
        return ()
    spoken = _CODE.sub(" ", _FENCE.sub("\n", text))
    found = (match[1].rstrip(".-").lower() for match in _MENTION.finditer(spoken))
    return tuple(dict.fromkeys(word for word in found if word))[:MOST]


def resolve(words: Iterable[str], directory: Directory) -> Mentions:
    """Whom these words mean."""
    agents: set[str] = set()
    is_all = False
    unknown: list[str] = []
    ambiguous: list[str] = []
    for word in words:
        named = directory.named(word)
        if word == ALL:
            is_all = True
        elif len(named) == 1:
            agents.update(named)
        elif named:
            ambiguous.append(word)
        elif of_role := directory.in_role(word):
            agents.update(of_role)
        else:
            unknown.append(word)
    return Mentions(agents=frozenset(agents), is_all=is_all, unknown=tuple(unknown), ambiguous=tuple(ambiguous))
