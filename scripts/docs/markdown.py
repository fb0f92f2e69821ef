"""Small pieces of Markdown."""

from collections.abc import Iterable, Sequence


def page(title: str, *parts: str, source: str) -> str:
    """A whole page; `source` says where it comes from, for whoever wants to change it."""
    notice = f"<!-- Written by scripts/make-docs from {source}. Change that, then run the script. -->"
    return "\n\n".join([f"# {title}", notice, *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; an empty text where there are no rows."""
    body = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if not body:
        return ""
    return "\n".join(["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers), *body])


def code(text: object) -> str:
    """`text` as it is typed; nothing for an empty one."""
    shown = str(text)
    return f"`{shown}`" if shown else ""


def codes(texts: Iterable[object], *, between: str = ", ") -> str:
    """Several, side by side."""
    return between.join(code(text) for text in texts)


def block(text: str, language: str = "text") -> str:
    """Lines as they are."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def sentence(text: str) -> str:
    """One line out of a docstring's first paragraph."""
    return " ".join(text.strip().split("\n\n")[0].split())


def plain(text: str) -> str:
    """Prose in which `<` is no HTML; what stands between backticks is left as it is."""
    parts = text.split("`")
    return "`".join(part if index % 2 else part.replace("<", "\\<") for index, part in enumerate(parts))


def anchor(heading: str) -> str:
    """Where a heading can be linked to, by the rules of the usual hosts of Markdown."""
    kept = "".join(char for char in heading.lower() if char.isalnum() or char in " -_")
    return kept.strip().replace(" ", "-")


def _cell(text: str) -> str:
    return plain(" ".join(text.split())).replace("|", "\\|")
