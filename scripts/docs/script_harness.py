"""`docs/reference/script-harness.md`: the language of the agent that needs no model."""

import inspect

from scripts.docs.markdown import block, page, plain

from agent_swarm.harness import script_agent, script_grammar

INTRODUCTION = """
`--harness script` runs a small deterministic agent that does what the script in the task's prompt says. It is a real
process with a real stream: it writes files, runs commands, commits, files tasks for others, fails, and can be
interrupted and resumed. The demo and many tests are made of it. Try it:
"""

EXAMPLE = """
agent-swarm task add --harness script --wait --file - <<'SCRIPT'
say Looking around
run ls
progress 50% Half of it is done
result It works
SCRIPT
"""


def render() -> str:
    """The page."""
    return page(
        "The script harness",
        INTRODUCTION,
        block(EXAMPLE, "sh"),
        "## The language",
        _prose(script_grammar),
        "## The agent",
        _prose(script_agent),
        source="`harness/script_grammar.py` and `harness/script_agent.py`",
    )


def _prose(module: object) -> str:
    """A module's docstring without its first line, as Markdown: indented paragraphs are shown as they are."""
    _, _, text = (inspect.getdoc(module) or "").partition("\n\n")
    parts = []
    for paragraph in text.split("\n\n"):
        is_verbatim = all(line.startswith("    ") for line in paragraph.splitlines())
        parts.append(block(inspect.cleandoc(f"\n{paragraph}")) if is_verbatim else plain(paragraph))
    return "\n\n".join(parts)
