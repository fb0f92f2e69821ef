"""The project as the promises look at it: its files, its sources, its pages."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "agent_swarm"
_NOT_OURS = {".git", ".venv", ".hypothesis", "__pycache__", "dist", "build"}
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Definition:
    """A class or function, with where it stands: `owner` is the class it is in, empty at the top of a module."""

    path: Path
    owner: str
    node: Function | ast.ClassDef

    @property
    def name(self) -> str:
        """`Batch.apply`."""
        return f"{self.owner}.{self.node.name}" if self.owner else self.node.name

    @property
    def place(self) -> str:
        """Where to find it."""
        return f"{self.path.relative_to(ROOT)}:{self.node.lineno} {self.name}"

    @property
    def is_public(self) -> bool:
        """Nothing on the way to it begins with an underscore."""
        return not any(part.startswith("_") for part in self.name.split("."))


@cache
def files() -> tuple[Path, ...]:
    """What belongs to the project: all that git tracks or would; without git, all that is no build product."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in found if path.is_file()))


@cache
def texts() -> dict[Path, str]:
    """The files that are text, read."""
    found = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            found[path] = content.decode("utf-8")
    return found


@cache
def sources() -> dict[Path, ast.Module]:
    """The modules of the package, parsed; migrations left out: they are lists of statements, made once."""
    return {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
        if "migrations" not in path.parts
    }


def definitions() -> Iterator[Definition]:
    """Every class, function and method; what is inside of functions left out."""
    for path, module in sources().items():
        yield from _below(path, module, "")


def _below(path: Path, node: ast.Module | ast.ClassDef, owner: str) -> Iterator[Definition]:
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef):
            found = Definition(path, owner, child)
            yield found
            if isinstance(child, ast.ClassDef):
                yield from _below(path, child, found.name)


def strings(path: Path) -> Iterator[str]:
    """Every literal text of a module that is no docstring."""
    module = sources()[path]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {ast.get_docstring(node, clean=False) for node in ast.walk(module) if isinstance(node, documented)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in prose:
            yield node.value


@cache
def pages() -> dict[Path, str]:
    """The pages in Markdown."""
    return {path: text for path, text in texts().items() if path.suffix == ".md"}


def page(name: str) -> str:
    """One page, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a page in this language."""
    return [match["content"] for match in _FENCE.finditer(text) if match["language"] == language]


def without_blocks(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def rows(text: str) -> list[list[str]]:
    """The cells of every table of a page."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
