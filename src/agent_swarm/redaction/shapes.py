"""Credentials that can be told by their looks: one table.

Each shape begins with a literal, its `needle`, which is looked for first: text without one costs next to nothing. What
follows is bounded wherever it may fail to match, so that no text makes the search slow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

_WORD = r"A-Za-z0-9_\-"
FURTHEST = 4_096  # characters within which it has to show whether something is a credential


class Place(NamedTuple):
    """Where in a longer text the one that is looked at stands.

    Before `first` is only what stood before; at `border` a word may begin, whatever stands before.
    """

    first: int = 0
    border: int = 0


WHOLE = Place()


class Hit(NamedTuple):
    """A credential: from `start` on it is told to be one, from `secret` on it is secret."""

    start: int
    secret: int
    end: int
    shape: "Shape | None" = None  # None: a known value


@dataclass(frozen=True)  # without slots: cached
class Shape:
    """A kind of credential.

    After the needle comes `rest`, a pattern in which the group `secret` is what has to go; without that group all of it
    has to. `body` is the class of characters that all of it is made of, `tail` of those it ends with. A token may come
    in pieces, one per line of output; other shapes are whole within a line.
    """

    name: str
    needle: str
    rest: str
    example: str
    body: str = _WORD
    tail: str = _WORD
    is_token: bool = True
    any_case: bool = False
    inside_words: bool = False
    opens_key: bool = False
    _rest: "re.Pattern[str]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        flags = re.IGNORECASE if self.any_case else 0
        object.__setattr__(self, "_rest", re.compile(self.rest, flags))

    @cached_property
    def _body(self) -> "re.Pattern[str]":
        return re.compile(rf"[{self.body}]{{0,{FURTHEST}}}\Z")

    @cached_property
    def run(self) -> "re.Pattern[str]":
        """What a credential of this shape goes on with for as long as it likes."""
        return re.compile(rf"[{self.tail}]*")

    def hits(self, text: str, lower: str, place: "Place") -> Iterator[Hit]:
        """The credentials of this shape."""
        end = 0
        for start in self._starts(text, lower, place, place.first):
            match = self._rest.match(text, start + len(self.needle)) if start >= end else None
            if match is not None:
                secret, end = match.start("secret") if "secret" in self._rest.groupindex else start, match.end()
                yield Hit(start, secret, end, self)

    def open_from(self, text: str, lower: str, place: "Place") -> int:
        """Where the end of `text` begins that may go on into one; its length where none does."""
        searched = lower if self.any_case else text
        for start in self._starts(text, lower, place, max(place.first, len(text) - FURTHEST - len(self.needle))):
            if self._body.match(text, start + len(self.needle)):
                return start
        for length in range(min(len(self.needle) - 1, len(text)), 0, -1):
            start = len(text) - length
            if searched.endswith(self.needle[:length]) and start >= place.first and self._may_begin(text, start, place):
                return start
        return len(text)

    def _starts(self, text: str, lower: str, place: "Place", first: int) -> Iterator[int]:
        searched = lower if self.any_case else text
        start = searched.find(self.needle, first)
        while start >= 0:
            if self._may_begin(text, start, place):
                yield start
            start = searched.find(self.needle, start + len(self.needle))

    def _may_begin(self, text: str, start: int, place: "Place") -> bool:
        if self.inside_words or start in (0, place.border):
            return True
        return not (text[start - 1].isalnum() or text[start - 1] == "_")


_HEX, _ALNUM = "0-9a-f", "A-Za-z0-9"
_BEARER = r"A-Za-z0-9._~+/="

SHAPES: tuple[Shape, ...] = (
    Shape(
        "token of ours",
        "asw_",
        rf"[a-z]{{2,16}}_[{_HEX}]{{4,32}}_[{_WORD}]{{20,}}",
        "asw_attempt_0123456789ab_" + "a1B2" * 10,
        inside_words=True,
    ),
    Shape("Anthropic", "sk-ant-", rf"[{_WORD}]{{8,}}", "sk-ant-api03-" + "a1B2" * 8),
    Shape("OpenAI and others", "sk-", rf"[{_WORD}]{{32,}}", "sk-proj-" + "a1B2" * 10),
    *(
        Shape("GitHub", f"gh{kind}_", rf"[{_ALNUM}]{{16,}}", f"gh{kind}_" + "a1B2" * 9, body=_ALNUM, tail=_ALNUM)
        for kind in "pousr"
    ),
    Shape("GitHub, fine grained", "github_pat_", r"\w{16,}", "github_pat_" + "a1B2" * 9, body=r"\w", tail=r"\w"),
    Shape("GitLab", "glpat-", rf"[{_WORD}.]{{16,}}", "glpat-" + "a1B2" * 5, body=rf"{_WORD}.", tail=rf"{_WORD}."),
    *(
        Shape(
            "Slack",
            head,
            rf"[{_ALNUM}-]{{8,}}",
            f"{head}123456789012-abcdef",
            body=f"{_ALNUM}-",
            tail=f"{_ALNUM}-",
        )
        for head in ("xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-")
    ),
    Shape(
        "Slack webhook",
        "hooks.slack.com/services/",
        r"(?P<secret>[A-Za-z0-9/]{20,})",
        "hooks.slack.com/services/T0000/B0000/" + "a1B2" * 6,
        body="A-Za-z0-9/",
        tail="A-Za-z0-9/",
        is_token=False,
    ),
    *(
        Shape("AWS key id", head, r"[A-Z0-9]{16}(?![A-Za-z0-9_])", f"{head}IOSFODNN7EXAMPLE", body="A-Z0-9", tail="A")
        for head in ("AKIA", "ASIA")
    ),
    Shape(
        "AWS secret key",
        "aws_secret_access_key",
        r"[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[A-Za-z0-9/+=]{30,})",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        body=r"A-Za-z0-9/+=\"': \t",
        tail="A-Za-z0-9/+=",
        is_token=False,
        any_case=True,
        inside_words=True,
    ),
    Shape("Google API key", "AIza", rf"[{_WORD}]{{35}}", "AIzaSyA1234567890abcdefghijklmnopqrstuv", tail=_WORD),
    Shape("Google access", "ya29.", rf"[{_WORD}.]{{20,}}", "ya29." + "a1B2" * 8, body=rf"{_WORD}.", tail=rf"{_WORD}."),
    Shape("Google client secret", "GOCSPX-", rf"[{_WORD}]{{20,}}", "GOCSPX-" + "a1B2" * 7),
    Shape("Hugging Face", "hf_", rf"[{_ALNUM}]{{24,}}", "hf_" + "a1B2" * 8, body=_ALNUM, tail=_ALNUM),
    Shape("npm", "npm_", rf"[{_ALNUM}]{{30,}}", "npm_" + "a1B2" * 9, body=_ALNUM, tail=_ALNUM),
    Shape("PyPI", "pypi-AgE", rf"[{_WORD}]{{30,}}", "pypi-AgEIcHlwaS5vcmc" + "a1B2" * 9),
    *(
        Shape("Stripe", f"{kind}_live_", rf"[{_ALNUM}]{{16,}}", f"{kind}_live_" + "a1B2" * 6, body=_ALNUM, tail=_ALNUM)
        for kind in ("sk", "rk")
    ),
    Shape(
        "JSON web token",
        "eyJ",
        rf"[{_WORD}]{{8,1000}}\.eyJ[{_WORD}]{{8,3000}}\.[{_WORD}]{{8,}}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        body=rf"{_WORD}.",
    ),
    Shape(
        "header",
        "authorization",
        r"[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:bearer|basic|token)[ \t]{1,4}(?P<secret>[^\s\"',;]{4,})",
        "Authorization: Basic dXNlcjpwYXNz",
        body=r"^\r\n",
        tail=r"^\s\"',;",
        is_token=False,
        any_case=True,
    ),
    Shape(
        "bearer",
        "bearer",
        rf"[ \t]{{1,4}}(?P<secret>(?=[{_BEARER}-]{{0,200}}[0-9])[{_BEARER}-]{{16,}})",
        "bearer 0123456789abcdefghij",
        body=rf"{_BEARER} \t-",
        tail=rf"{_BEARER}-",
        is_token=False,
        any_case=True,
    ),
    Shape(
        "password in an address",
        "://",
        r"[^\s/:@\"']{0,100}:(?P<secret>[^\s/@\"']{1,200})(?=@)",
        "https://ada:hunter2@example.com/x.git",
        body=r"^\s/\"'",
        tail="@",
        is_token=False,
        inside_words=True,
    ),
    Shape(
        "private key",
        "-----BEGIN ",
        r"[A-Z0-9 ]{0,40}?PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
        body="A-Z0-9 -",
        tail="-",
        inside_words=True,
        opens_key=True,
    ),
)


def hits_in(text: str, place: Place = WHOLE) -> list[Hit]:
    """Every credential in `text`; they may overlap."""
    lower = _lower(text)
    present = [shape for shape in SHAPES if shape.needle in (lower if shape.any_case else text)]
    return [hit for shape in present for hit in shape.hits(text, lower, place)]


def open_from(text: str, place: Place = WHOLE, *, tokens_only: bool = False) -> int:
    """Where the end of `text` begins that may go on into a credential; its length where none does."""
    lower = _lower(text)
    return min(shape.open_from(text, lower, place) for shape in SHAPES if shape.is_token or not tokens_only)


def _lower(text: str) -> str:
    """In lower case, character by character: some have a longer lower case, and places must stay."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
