"""Redacts a text that arrives in pieces, as if it had come whole.

What may go on into a secret is held back until the next piece shows what it is. However a text is cut, what comes out
in the end is the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.redaction import shapes
from agent_swarm.redaction.known import KnownValues
from agent_swarm.redaction.shapes import FURTHEST, Hit, Place

MARK = "[redacted]"
LIKELY = 8  # so many characters of the beginning of a secret are no coincidence
LONGEST_KEY = 8_192  # characters of a private key that are swallowed after its first line

REACH = 16_384  # characters behind the first line of a private key that may belong to a secret that began before it

_KEY_LINE = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY-----")
_KEY_BODY = re.compile(r"(?:(?!-----END)[A-Za-z0-9+/=\s\\:,.-])*")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}?PRIVATE KEY-----")
_KEY_END_OPEN = re.compile(r"-----END[A-Z0-9 -]{0,60}\Z")
_END = "-----END"


class Stream:
    """One text. `feed` its pieces, then `end`."""

    def __init__(self, known: Sequence[KnownValues]) -> None:
        self._known = known
        self._held = ""
        self._first = 0  # in `_held`, before it is only what stood before
        self._seen = 0  # in `_held`, so much was shown already
        self._border = 0  # in `_held`, a piece began here that is a line of its own
        self._inside: _Key | _Run | None = None  # a secret that is marked already and goes on

    def feed(self, piece: str) -> str:
        """What may be shown now, redacted."""
        self._held += piece
        return self._shown(is_end=False)

    def end(self, piece: str = "") -> str:
        """The rest, with a last piece."""
        self._held += piece
        return self._shown(is_end=True)

    def breathe(self) -> str:
        """What is held back and is probably no secret: what comes next may take long.

        Beginnings of fewer than `LIKELY` characters, and whatever has to stand on one line. When the next piece
        completes a secret all the same, only that beginning was seen.
        """
        if self._inside is not None:
            return ""
        text, place = self._held, Place(self._first, self._border)
        hits = self._hits(text)
        over = max((hit.end for hit in hits), default=self._first)  # what is complete is no beginning
        token = shapes.open_from(text, place, tokens_only=True)
        opened = max(over, min(token, *(known.open_from(text) for known in self._known)))
        likely = min(
            token if len(text) - token >= LIKELY else len(text),
            *(known.likely_from(text, LIKELY) for known in self._known),
        )
        likely = max(likely, over, self._seen)
        shown = _marked(text, hits, self._seen, likely)
        opened = min(opened, likely)
        self._held, self._first, self._seen = text[opened:], 0, likely - opened
        self._border = len(self._held)
        return shown

    def rest(self) -> str:
        """What takes the place of what is held back where no more comes: probably the beginning of a secret."""
        is_held, self._held, self._seen, self._inside = len(self._held) > self._seen, "", 0, None
        return MARK if is_held else ""

    def _shown(self, *, is_end: bool) -> str:
        out: list[str] = []
        while self._held:
            if self._inside is not None:
                self._held, is_over = self._inside.skip(self._held, is_end=is_end)
                if not is_over:
                    break
                self._inside, self._first, self._seen, self._border = None, 0, 0, -1
                continue
            if not self._step(out, is_end=is_end):
                break
        return "".join(out)

    def _step(self, out: list[str], *, is_end: bool) -> bool:
        """Show what can be shown; whether there is more to do."""
        text = self._held
        line = _KEY_LINE.search(text)
        hits = self._hits(text if line is None else text[: line.end() + REACH])  # keys in a row are looked at in turn
        key = next((hit for hit in hits if hit.shape and hit.shape.opens_key), None)
        if line is not None and key is None:
            hits = self._hits(text)
        goes_on = next((hit for hit in hits if _is_endless(hit, len(text))), None)
        if key is not None:
            cut, self._inside = key.end, _Key()
        elif goes_on is not None and not is_end:
            assert goes_on.shape is not None
            cut, self._inside = len(text), _Run(goes_on.shape.run)
        else:
            cut = len(text) if is_end else self._open_from(text, hits)
        out.append(_marked(text, hits, self._seen, cut))
        self._keep(text, cut)
        return self._inside is not None

    def _hits(self, text: str) -> list[Hit]:
        known = (Hit(max(start, self._first), start, end) for one in self._known for start, end in one.spans(text))
        return sorted((*known, *shapes.hits_in(text, Place(self._first, self._border))), key=lambda hit: hit[:3])

    def _open_from(self, text: str, hits: list[Hit]) -> int:
        place = Place(self._first, self._border)
        cut = min(*(known.open_from(text) for known in self._known), shapes.open_from(text, place))
        cut = min([cut, *(hit.start for hit in hits if hit.end == len(text))])
        for hit in reversed(hits):  # the last ones to begin come first
            if hit.start < cut < hit.end:
                cut = hit.start
        return cut

    def _keep(self, text: str, cut: int) -> None:
        """What was not shown, and the character before it: whether a word begins depends on that."""
        if self._inside is not None:
            self._held, self._first, self._seen = text[cut:], 0, 0
            return
        start = max(0, cut - 1)
        if cut == 0:
            return
        self._held, self._first = text[start:], 1
        self._seen = max(1, self._seen - start)
        self._border = -1 if self._border <= start else self._border - start


def _is_endless(hit: Hit, size: int) -> bool:
    return hit.shape is not None and hit.end == size and hit.end - hit.secret >= FURTHEST


def _marked(text: str, hits: Sequence[Hit], seen: int, cut: int) -> str:
    """`text` from `seen` to `cut` with its secrets replaced; those that overlap by one mark."""
    out: list[str] = []
    place = seen
    marked = -1
    for start, end in sorted((hit.secret, min(hit.end, cut)) for hit in hits if hit.secret < cut):
        if start >= marked:
            out += (text[place:start], MARK)
        place = marked = max(marked, end)
    out.append(text[max(place, seen) : cut])
    return "".join(out)


@dataclass(slots=True)
class _Run:
    """A credential that is longer than any that is held back."""

    run: "re.Pattern[str]"

    def skip(self, text: str, *, is_end: bool) -> tuple[str, bool]:
        """What is left of `text` behind the secret, and whether the secret is over."""
        del is_end
        match = self.run.match(text)
        end = match.end() if match else 0
        return text[end:], end < len(text)


@dataclass(slots=True)
class _Key:
    """A private key, after its first line."""

    left: int = LONGEST_KEY

    def skip(self, text: str, *, is_end: bool) -> tuple[str, bool]:
        """What is left of `text` behind the secret, and whether the secret is over."""
        match = _KEY_BODY.match(text, 0, self.left)
        end = match.end() if match else 0
        self.left -= end
        if end < len(text):
            last = _KEY_END.match(text, end)
            if last is not None:
                return text[last.end() :], True
            may_end = not is_end and _KEY_END_OPEN.match(text, end) is not None
            return text[end:], not may_end
        begun = 0 if is_end else next((size for size in range(len(_END) - 1, 0, -1) if text.endswith(_END[:size])), 0)
        self.left += begun
        return text[len(text) - begun :], False
