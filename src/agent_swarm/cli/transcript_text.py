"""Transcript lines as people read them."""

import json
from collections.abc import Mapping
from typing import Any

import click

from agent_swarm.cli.text import printable, usage

INPUT_CHARS = 300


def lines_of(line: Mapping[str, Any]) -> list[str]:
    """One step of an agent, `{"at", "kind", "data"}`, as lines without control characters."""
    data = line.get("data") or {}
    match line.get("kind"):
        case "message":
            return _split(f"{data.get('from', '')}: {data.get('text', '')}")
        case "text":
            return _split(data.get("text"))
        case "toolCall":
            return [
                click.style(f"▸ {printable(data.get('name', 'tool'))}", fg="cyan") + f" {_input(data.get('input'))}"
            ]
        case "toolResult":
            mark = "" if data.get("ok", True) else click.style("✗ ", fg="red")
            return [f"  {mark}{text}" for text in _split(data.get("output"))]
        case "denied":
            return [
                click.style(f"⊘ denied {printable(data.get('name', 'tool'))}", fg="red")
                + f" {_input(data.get('input'))}"
            ]
        case "progress":
            return [click.style(f"… {printable(data.get('text', ''))}", fg="yellow")]
        case "log":
            return [
                click.style(f"  {data.get('stream', 'log')}: {text}", dim=True) for text in _split(data.get("text"))
            ]
        case "usage":
            return [click.style(f"  {usage(data)}", dim=True)]
        case kind:
            return [click.style(f"— {printable(kind)} {_input(data)}".rstrip(), dim=True)]


def _split(text: Any) -> list[str]:
    return printable("" if text is None else text).splitlines()


def _input(value: Any) -> str:
    if not value:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = printable(text).replace("\n", "⏎")
    return text if len(text) <= INPUT_CHARS else text[: INPUT_CHARS - 1] + "…"
