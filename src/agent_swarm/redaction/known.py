"""Finds known secret values in texts, in time that hardly depends on how many are known.

Of every form the first windows of five characters are in a dict. A text is looked at in windows of five, some places
apart: so many that the shortest form cannot lie between. Where a window is met, and only there, texts are compared.
Parts of encoded forms (a long one may be broken into lines) are found from sixteen characters on.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agent_swarm.redaction.forms import Form, forms_of

WINDOW = 5
HEAD = 4  # characters by which forms are found that a text may begin
PART = 16  # characters of an encoded form that are no coincidence
WIDEST = PART - WINDOW + 1  # places between two windows

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Index:
    """What is looked up; never changed, but replaced."""

    forms: frozenset[Form] = frozenset()
    windows: Mapping[str, frozenset[str]] = field(default_factory=dict)  # one of the first windows -> forms
    parts: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)  # window -> encoded forms, place
    all_windows: frozenset[str] = frozenset()
    heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # first characters -> forms
    beginnings: frozenset[str] = frozenset()  # shorter than a head
    encoded: str = ""  # all encoded forms
    longest: int = 0
    stride: int = WIDEST


class KnownValues:
    """Values to be found. Those that come in while another thread searches count from the next search on."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._index = _Index()
        self.register(values)

    def register(self, values: Iterable[str]) -> None:
        """Find these, too."""
        new = {form for value in values for form in forms_of(value)} - self._index.forms
        if new:
            self._index = _build(self._index.forms | new)

    def spans(self, text: str) -> list[Span]:
        """Where known values are, in no order; spans may overlap."""
        index = self._index
        found: list[Span] = []
        seen = [text[place : place + WINDOW] for place in range(0, len(text) - WINDOW + 1, index.stride)]
        if index.all_windows.isdisjoint(seen):
            return found
        whole: set[str] = set()
        for place, window in zip(range(0, len(text), index.stride), seen, strict=False):
            if window in index.windows:
                whole |= index.windows[window]
            if window in index.parts:
                found.extend(_parts(text, place, index.parts[window]))
        for form in whole:
            found.extend(_everywhere(text, form))
        return found

    def open_from(self, text: str) -> int:
        """Where the end of `text` begins that may go on into a known value; its length where none does."""
        index, size = self._index, len(text)
        for length in range(min(PART - 1, size), 0, -1):
            if text[size - length :] in index.encoded:
                size -= length
                break
        for place in range(max(0, len(text) - index.longest + 1), size):
            rest = text[place : place + HEAD]
            if len(rest) < HEAD:
                is_open = rest in index.beginnings
            else:
                is_open = any(form.startswith(text[place:]) for form in index.heads.get(rest, ()))
            if is_open:
                return place
        return size

    def likely_from(self, text: str, least: int) -> int:
        """As `open_from`, for ends that are the beginning of a value with at least so many characters."""
        index = self._index
        for place in range(max(0, len(text) - index.longest + 1), len(text) - least + 1):
            forms = index.heads.get(text[place : place + HEAD], ())
            if any(form.startswith(text[place:]) for form in forms):
                return place
        return len(text)


def _build(forms: frozenset[Form]) -> _Index:
    windows: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, list[tuple[str, int]]] = defaultdict(list)
    heads: dict[str, list[str]] = defaultdict(list)
    stride = min(WIDEST, min(len(form.text) for form in forms) - WINDOW + 1)
    for text, is_encoded in sorted(forms):
        for place in range(stride):
            windows[text[place : place + WINDOW]].add(text)
        heads[text[:HEAD]].append(text)
        for place in range(len(text) - WINDOW + 1) if is_encoded else ():
            parts[text[place : place + WINDOW]].append((text, place))
    return _Index(
        forms=forms,
        windows={window: frozenset(texts) for window, texts in windows.items()},
        parts={window: tuple(places) for window, places in parts.items()},
        all_windows=frozenset(windows.keys() | parts.keys()),
        heads={head: tuple(texts) for head, texts in heads.items()},
        beginnings=frozenset(form.text[:length] for form in forms for length in range(1, HEAD)),
        encoded="\0".join(sorted(form.text for form in forms if form.is_encoded)),
        longest=max(len(form.text) for form in forms),
        stride=stride,
    )


def _everywhere(text: str, form: str) -> Iterator[Span]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _parts(text: str, place: int, among: Iterable[tuple[str, int]]) -> Iterator[Span]:
    """The parts of encoded forms that a window belongs to, as far as they go to either side."""
    for form, offset in among:
        start, end = place, place + WINDOW
        while start > 0 and offset > place - start and text[start - 1] == form[offset - (place - start) - 1]:
            start -= 1
        after = offset + WINDOW
        while end < len(text) and after < len(form) and text[end] == form[after]:
            end, after = end + 1, after + 1
        if end - start >= PART:
            yield start, end
