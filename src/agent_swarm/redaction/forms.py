"""How one secret value looks when programs print it. Pure.

Each form is a text that holds all of the secret, or all but the few bits at its edges that encodings mix with what
stands beside it.
"""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

SHORTEST = 8  # characters; a shorter value occurs in ordinary text, and a secret that short protects nothing
LONGEST = 1_000  # characters of a piece: longer values are known piece by piece, so that what is held back is bounded
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")  # the same around every key
_SHELL_SAFE = re.compile(r"([^\w@%+=:,./-])", re.ASCII)


class Form(NamedTuple):
    """One way in which a value is printed. Of an encoded one a part is told from ordinary text, too."""

    text: str
    is_encoded: bool


def forms_of(value: str) -> frozenset[Form]:
    """All forms of a value; none of one that is too short. Of several lines each is a secret for itself."""
    return frozenset(form for piece in _pieces(value) for form in _forms(piece) if len(form.text) >= SHORTEST)


def _pieces(value: str) -> Iterator[str]:
    for line in map(str.strip, value.splitlines()):
        if len(line) >= SHORTEST and not _ARMOUR.fullmatch(line):
            yield from (line[start : start + LONGEST] for start in range(0, len(line), LONGEST))


def _forms(value: str) -> Iterator[Form]:
    for text in (value, *_escaped(value), *_in_urls(value), *_in_shells(value)):
        yield Form(text, is_encoded=False)
    raw = value.encode("utf-8", "surrogatepass")
    for text in (*_base64(raw), raw.hex(), raw.hex().upper()):
        yield Form(text, is_encoded=True)


def _escaped(value: str) -> Iterator[str]:
    """Inside JSON, inside JSON that is text in JSON, inside the text of a program, inside HTML."""
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield from (once, once.replace("/", r"\/"), json.dumps(once, ensure_ascii=ascii_only)[1:-1])
    yield from (repr(value)[1:-1], html.escape(value))


def _in_urls(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield from (encoded, re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), encoded))


def _in_shells(value: str) -> Iterator[str]:
    """In single quotes in both common ways, in double quotes, with backslashes."""
    yield from (shlex.quote(value).strip("'"), value.replace("'", r"'\''"))
    yield from (re.sub(r'([\\"$`])', r"\\\1", value), _SHELL_SAFE.sub(r"\\\1", value))


def _base64(raw: bytes) -> Iterator[str]:
    """Where it begins at each of the three places in a group; at its edges without what depends on the neighbours."""
    for before, dropped in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(raw)) * 8 // 6  # characters that the secret alone decides
        text = base64.b64encode(bytes(before) + raw).decode()[dropped:whole]
        yield from (text, text.replace("+", "-").replace("/", "_"))
