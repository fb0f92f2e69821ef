"""Gives functions that are imported already the code of a changed file, so that it need not be imported anew."""

import gc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType

_Place = tuple[str, str, int]  # file, qualified name, first line
_TOLD_BY = (  # all that a code object does; where its lines are is left out
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_flags",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_exceptiontable",
)


class CannotSwapError(Exception):
    """The change is not in functions alone: what is imported was made by what is changed."""


class Functions:
    """The functions that are there when this is made, by where they stand."""

    def __init__(self, folder: str) -> None:
        self._by_place: dict[_Place, list[FunctionType]] = defaultdict(list)
        for found in gc.get_objects():
            if isinstance(found, FunctionType) and found.__code__.co_filename.startswith(folder):
                self._by_place[_place(found.__code__)].append(found)

    def swap(self, path: str, before: str, after: str) -> None:
        """Let the functions of the file at `path` do what `after` says. Raises CannotSwapError, and changes nothing.

        `before` is what they were imported from.
        """
        changes = list(_changes(_compiled(path, before), _compiled(path, after)))
        for old, new in changes:
            if not self._by_place[_place(old)] and not old.co_flags & _NESTED:
                raise CannotSwapError(f"no function {old.co_qualname} is there")
            if old.co_freevars != new.co_freevars:
                raise CannotSwapError(f"{old.co_qualname} holds other variables")
        for old, new in changes:
            for function in self._by_place[_place(old)]:
                function.__code__ = new


_NESTED = 0x10  # of functions that are made whenever the one around them runs


def _changes(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The functions that differ, an outer one as well as the one in it that does."""
    if old == new:
        return
    if not _is_alike(old, new):
        raise CannotSwapError(f"{old.co_qualname} runs when it is imported")
    for inner, other in zip(_inner(old), _inner(new), strict=True):
        if not inner.co_flags & _OPTIMIZED:  # the body of a class
            yield from _changes(inner, other)
        elif not _does_the_same(inner, other):
            yield from _with_inner(inner, other)


_OPTIMIZED = 0x1  # of functions; modules and bodies of classes are not


def _with_inner(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    yield old, new
    olds, news = _inner(old), _inner(new)
    if [one.co_qualname for one in olds] != [one.co_qualname for one in news]:
        return  # those that live keep their code; new ones are made by the outer one
    for inner, other in zip(olds, news, strict=True):
        if not _does_the_same(inner, other):
            yield from _with_inner(inner, other)


def _is_alike(old: CodeType, new: CodeType) -> bool:
    """They run the same, but for the code in them."""
    names = [one.co_qualname for one in _inner(old)], [one.co_qualname for one in _inner(new)]
    return _told(old) == _told(new) and _plain(old) == _plain(new) and names[0] == names[1]


def _does_the_same(old: CodeType, new: CodeType) -> bool:
    inner = zip(_inner(old), _inner(new), strict=False)
    return _is_alike(old, new) and all(_does_the_same(one, other) for one, other in inner)


def _told(code: CodeType) -> tuple[object, ...]:
    return tuple(getattr(code, name) for name in _TOLD_BY)


def _plain(code: CodeType) -> Sequence[object]:
    return [(type(one), repr(one)) for one in code.co_consts if not isinstance(one, CodeType)]


def _inner(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _place(code: CodeType) -> _Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _compiled(path: str, source: str) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)
