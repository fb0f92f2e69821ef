"""The table of `docs/architecture.md` that says which package imports which."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from scripts.docs.markdown import code, codes, table

import agent_swarm

SOURCE = Path(agent_swarm.__file__).parent
NAME = agent_swarm.__name__


def render() -> str:
    """Packages with what of ours they import; what imports nothing comes first."""
    imports: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        package = _part(path.relative_to(SOURCE).parts)
        if package not in ("__init__", "__main__"):
            imports[package] |= set(_imported(path)) - {package}
    order = sorted(imports, key=lambda package: (_reach(package, imports), package))
    rows = [(code(package), codes(sorted(imports[package])) or "nothing of ours") for package in order]
    return table(("Package", "Imports"), rows)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == NAME and len(parts) > 1 and _exists(parts[1]):
                yield parts[1]


def _exists(part: str) -> bool:
    return (SOURCE / part).is_dir() or (SOURCE / f"{part}.py").is_file()


def _part(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def _reach(package: str, imports: dict[str, set[str]]) -> int:
    """How many packages it leads to."""
    reached: set[str] = set()
    open_ends = [package]
    while open_ends:
        for other in imports.get(open_ends.pop(), set()) - reached:
            reached.add(other)
            open_ends.append(other)
    return len(reached)
