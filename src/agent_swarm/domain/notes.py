"""Notes that agents and people leave for later: where they are kept, who sees them, how large they may be."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent_swarm.domain.errors import InvalidInput, TooLarge
from agent_swarm.domain.words import Term, words_of

NAME_CHARS = 200
TAGS = 20
TAG_CHARS = 64
TEXT_BYTES = 256 * 1024
QUERY_CHARS = 16_384
THE_SWARM = "default"  # stands for the server as a whole: what is kept there is everybody's

_TAG = re.compile(r"[^\s,]+")


class NoteScope(StrEnum):
    """Whose notes they are: one agent's, one project's, or the whole swarm's."""

    AGENT = "agent"
    PROJECT = "project"
    SWARM = "swarm"


@dataclass(frozen=True, slots=True)
class NotePlace:
    """Where notes are kept, in which every name is there once."""

    scope: NoteScope
    id: str

    @property
    def mark(self) -> str:
        """The place among the words of a note, where no word of a text can be it."""
        return f"={self.scope.value}={self.id}"


# Pieces of words with a blank around each, of which one has to be there. One that ends in a blank is a whole word,
# another the beginning of one.
Needle = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSearch:
    """Notes in one of these places (None: anywhere) that have every term, and the tag."""

    places: tuple[NotePlace, ...] | None
    terms: tuple[Term, ...] = ()
    tag: str = ""

    @property
    def needles(self) -> tuple[Needle, ...]:
        """Each has to be in a note."""
        places = tuple(f" {place.mark} " for place in self.places or ())
        tag = (f" {mark_of(self.tag)} ",) if self.tag else ()
        terms = ((f" {term.word}" if term.is_prefix else f" {term.word} ",) for term in self.terms)
        return tuple(needle for needle in (places, tag, *terms) if needle)

    def finds(self, words: str) -> bool:
        """Whether a note with these words is one; what each database asks its index."""
        if self.places == ():
            return False
        padded = f" {words} "
        return all(any(one in padded for one in needle) for needle in self.needles)


def mark_of(tag: str) -> str:
    """A tag among the words of a note, where no word of a text can be it."""
    return f"#{hashlib.sha256(tag.encode()).hexdigest()[:24]}"


def indexed_words(place: NotePlace, *, name: str, tags: Sequence[str], text: str) -> str:
    """What a note is found by: marks of its place and tags, then the words of name, tags and text."""
    return " ".join((place.mark, *map(mark_of, tags), *words_of(name, *tags, text)))


def require_note(name: str, tags: Sequence[str], text: str) -> None:
    """Refuse a note that may not be stored: InvalidInput, or TooLarge with what is allowed."""
    if not name or len(name) > NAME_CHARS or not name.isprintable():
        raise InvalidInput(
            f"name has {len(name)} characters; expected 1 to {NAME_CHARS} that can be printed",
            hint="a name is one line, such as: deploying the shop",
            details={"field": "name"},
        )
    if len(tags) > TAGS or not all(len(tag) <= TAG_CHARS and tag.isprintable() and _TAG.fullmatch(tag) for tag in tags):
        raise InvalidInput(
            f"tags: expected at most {TAGS} of up to {TAG_CHARS} characters, without spaces and commas",
            hint="for example: deploy, billing/api",
            details={"field": "tags"},
        )
    size = len(text.encode())
    if not text.strip():
        raise InvalidInput("text is empty", hint="say what is to be found again", details={"field": "text"})
    if size > TEXT_BYTES:
        raise TooLarge(
            f"the note has {size:,} bytes, at most {TEXT_BYTES:,} are stored",
            hint="keep what is large in a file of the project, and its path in the note",
            details={"field": "text", "bytes": size, "allowed": TEXT_BYTES},
        )
