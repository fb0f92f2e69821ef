"""Words of texts, and what a search for words finds. Every store finds the same by these rules.

A text is a set of words: runs of letters and digits, without accents and in small letters; a Chinese or Japanese
character is a word of its own. A query is plain words, whatever else it has means nothing, so none is wrong. A word of
the query finds the words that begin with it, one of fewer than three characters only itself.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

WORD_CHARS = 64  # of a longer word the beginning counts
INDEXED_BYTES = 400_000  # of the words of one text; PostgreSQL's index takes less than 1 MiB
QUERY_WORDS = 32  # of a query; those after them do not count
PREFIX_CHARS = 3  # shorter words find themselves alone
SNIPPET_CHARS = 240

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # written without spaces
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W_])+")
_NAME_HIT, _TAG_HIT = 4, 2  # how much more a word counts there than in the text


@dataclass(frozen=True, slots=True)
class Term:
    """One word that is looked for."""

    word: str

    @property
    def is_prefix(self) -> bool:
        """Whether it also finds what begins with it."""
        return len(self.word) >= PREFIX_CHARS

    def finds(self, words: Collection[str]) -> bool:
        """Whether it is one of these words, or the beginning of one."""
        return self.word in words or (self.is_prefix and any(word.startswith(self.word) for word in words))


def words_of(*texts: str) -> tuple[str, ...]:
    """The words of some texts, each once, in the order they first come; as many as are indexed."""
    found: dict[str, None] = {}
    room = INDEXED_BYTES
    for text in texts:
        for match in _WORD.finditer(plain(text)):
            word = match.group()[:WORD_CHARS]
            if word not in found:
                room -= len(word.encode()) + 1
                if room < 0:
                    return tuple(found)
                found[word] = None
    return tuple(found)


def terms_of(query: str) -> tuple[Term, ...]:
    """What a query looks for; nothing where it has no word."""
    return tuple(Term(word) for word in words_of(query)[:QUERY_WORDS])


def plain(text: str) -> str:
    """The text in small letters and without accents, compatible forms made alike."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()


def relevance(terms: Iterable[Term], *, name: str, tags: Sequence[str], words: Collection[str]) -> int:
    """How much of a query something answers: words in its name count most, then those in its tags."""
    in_name, in_tags = set(words_of(name)), set(words_of(*tags))
    score = 0
    for term in terms:
        if term.finds(in_name):
            score += 1 + _NAME_HIT
        elif term.finds(in_tags):
            score += 1 + _TAG_HIT
        elif term.finds(words):
            score += 1
    return score


def snippet(text: str, terms: Sequence[Term], *, chars: int = SNIPPET_CHARS) -> str:
    """The piece of a text around the first word that was looked for, on one line; its beginning where none is in it."""
    at = next((place for place in _places(text, terms)), 0)
    start = max(0, at - chars // 3)
    piece = " ".join(text[start : start + chars].split())
    return f"{'…' if start else ''}{piece}{'…' if start + chars < len(text) else ''}"


def _places(text: str, terms: Sequence[Term]) -> Iterable[int]:
    for match in _WORD.finditer(text):
        words = words_of(match.group())
        if any(term.finds(words) for term in terms):
            yield match.start()
