"""Functions get the code of a changed file, and what is more than functions is refused."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from scripts.guards.swapping import CannotSwapError, Functions

SOURCE = """
from contextlib import contextmanager
from functools import cache

LIMIT = 3


def plain(a, most=LIMIT):
    return a < most


def maker(a):
    def made(b):
        return a < b

    return made


class Thing:
    @property
    def numbers(self):
        return [one for one in (1, 2, 3) if one > 1]

    @cache
    def kept(self):
        return "before"


@contextmanager
def opened():
    yield "before"
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    path = tmp_path / "sample.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("sample", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def swap(module: ModuleType, *changes: tuple[str, str]) -> None:
    after = SOURCE
    for old, new in changes:
        assert after.count(old) == 1
        after = after.replace(old, new)
    path = str(module.__file__)
    Functions(str(Path(path).parent)).swap(path, SOURCE, after)


def test_given_functions_that_change_when_they_are_swapped_then_those_that_live_do_the_new(module: ModuleType) -> None:
    kept = module.maker(1)
    thing = module.Thing()
    swap(module, ("a < most", "a > most"), ("a < b", "a > b"), ("one > 1", "one > 2"), ('return "before"', 'return ""'))
    assert module.plain(9)
    assert not kept(2)
    assert not module.maker(1)(2)
    assert thing.numbers == [3]
    assert thing.kept() == ""


def test_given_a_function_that_is_longer_when_it_is_swapped_then_those_below_it_are_as_before(
    module: ModuleType,
) -> None:
    swap(module, ("    return a < most", "    a += 1\n    return a > most"), ('yield "before"', 'yield "after"'))
    assert module.plain(9)
    assert module.maker(1)(2)
    with module.opened() as opened:
        assert opened == "after"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("most=LIMIT", "most=4"),
        ("    @cache\n", ""),
        ("    @property\n", ""),
        ("def plain", "def other"),
        ("class Thing:", "class Thing(Exception):"),
        ("        return a < b\n\n    return made", "        return b\n\n    return made"),
    ],
)
def test_given_a_change_of_what_runs_at_import_when_it_is_swapped_then_it_is_refused_and_nothing_is_changed(
    module: ModuleType, old: str, new: str
) -> None:
    with pytest.raises(CannotSwapError):
        swap(module, (old, new), ('yield "before"', 'yield "after"'))
    with module.opened() as opened:
        assert opened == "before"
