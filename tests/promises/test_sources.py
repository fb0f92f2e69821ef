"""Sources are tidy: described, of a sane size, and about nothing but the project."""

import ast
import json
import re
from pathlib import Path

import pytest
from tests.promises.project import ROOT, SOURCE, Definition, Function, definitions, sources, texts
from tests.promises.surface import modules

LONGEST_FUNCTION = 60  # lines, from `def` to its end
LONGEST_FILE = 550

OURS = "test_sources.py"  # holds the patterns themselves
FOREIGN = {
    "a path of one machine": r"(?<![\w.~<>-])/(?:work|root|home/[a-z][\w-]*|Users/\w+)/",
    "the host of a package registry": r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|index-url)\b",
    "how the work is organised": r"(?i)\b(?:work session|coding session|session of work|"
    r"sub-?agent|as an ai\b|(?:issue|ticket|pull request|story|sprint) #?\d+)",
    "a document that is not here": r"\bDESIGN (?:§|rules\b)|\b(?:stack|STYLE|DESIGN)\.md\b|\b[Ss]eed 00\d",
    "the host of a lock file's package": r"(?m)^--(?:index-url|extra-index-url|find-links)\b",
}


def undocumented() -> list[str]:
    """Public classes, functions and methods without a docstring.

    A method that overrides another one is described there, a stub of a protocol by its class and its types; tests and
    fixtures by their names.
    """
    return [found.place for found in definitions() if found.is_public and _needs_docstring(found)]


def _needs_docstring(found: Definition) -> bool:
    if ast.get_docstring(found.node) is not None:
        return False
    if isinstance(found.node, ast.ClassDef):
        return True
    return not (_is_stub(found.node) or _is_for_pytest(found.node) or _overrides(found))


def _is_stub(node: Function) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def _is_for_pytest(node: Function) -> bool:
    return node.name.startswith("test_") or any("fixture" in ast.unparse(one) for one in node.decorator_list)


def _overrides(found: Definition) -> bool:
    """A class above has something of that name."""
    name = ".".join(("agent_swarm", *found.path.relative_to(SOURCE).with_suffix("").parts))
    module = next((one for one in modules() if one.__name__ == name.removesuffix(".__init__")), None)
    cls = getattr(module, found.owner, None)
    return isinstance(cls, type) and any(found.node.name in vars(above) for above in cls.__mro__[1:])


def test_given_every_module_then_its_docstring_says_why_it_exists() -> None:
    assert not [str(path.relative_to(ROOT)) for path, tree in sources().items() if ast.get_docstring(tree) is None]


def test_given_every_public_class_function_and_method_then_it_has_a_docstring() -> None:
    missing = undocumented()
    assert not missing, "\n".join(missing)


def test_given_every_function_then_it_is_of_a_size_that_can_be_read_at_once() -> None:
    lengths = {
        found.place: (found.node.end_lineno or 0) - found.node.lineno + 1
        for found in definitions()
        if not isinstance(found.node, ast.ClassDef)
    }
    assert {place: length for place, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_given_every_module_then_it_is_of_a_size_that_one_finds_ones_way_in() -> None:
    lengths = {str(path.relative_to(ROOT)): len(texts()[path].splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_given_the_sources_then_nothing_in_them_is_left_for_later() -> None:
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(texts()[path].splitlines(), 1)
        if re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b", line)
    ]
    assert not left


@pytest.mark.parametrize("what", FOREIGN)
def test_given_every_file_then_it_is_about_the_project_alone(what: str) -> None:
    pattern = re.compile(FOREIGN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in texts().items()
        if path.name != OURS
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def test_given_the_lock_files_then_they_pin_by_hash_and_name_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==\S+", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text


def test_given_the_lock_file_of_npm_then_it_pins_by_hash_and_names_no_address() -> None:
    text = (ROOT / "tests/clis/package-lock.json").read_text(encoding="utf-8")
    own, *locked = json.loads(text)["packages"].values()
    exact = re.compile(r"(npm:\S+@)?\d+\.\d+\.\d+(-[a-z]+\.\d+)?")  # a second version of a package has another name
    assert all(exact.fullmatch(version) for version in own["dependencies"].values())
    assert locked
    assert all(package["integrity"].startswith("sha512-") for package in locked)
    assert "://" not in text


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".ci/run"])
def test_given_the_project_then_what_everybody_looks_for_is_there(name: str) -> None:
    assert Path(ROOT, name).read_text(encoding="utf-8").strip()
