"""Whatever a person or a program can touch has its entry in the reference."""

import re

import click
import pytest
from scripts.docs import routes as route_pages
from scripts.docs import settings as settings_pages
from tests.promises.project import SOURCE, page, rows, sources
from tests.promises.surface import commands, error_classes, settings_classes

from agent_swarm.config import settings_of
from agent_swarm.domain.tasks import AttemptOutcome, FailureClass, TaskStatus, Verb
from agent_swarm.harness.script_grammar import FORMS
from agent_swarm.protocol import pool
from agent_swarm.protocol.errors import REGISTRY
from agent_swarm.protocol.events import EVENT_TYPES
from agent_swarm.protocol.pool import FrameType
from agent_swarm.server.metrics import Metrics, WithoutAgent
from agent_swarm.services.tokens import Scope
from agent_swarm.store.sql.tables import metadata

RULES = [f"T{number}" for number in range(1, 14)]


def first_cells(name: str) -> set[str]:
    """What stands between backticks in the first column of a page's tables."""
    return {word for row in rows(page(name)) for word in re.findall(r"`([^`]+)`", row[0])}


def test_given_every_class_of_settings_then_it_has_a_section() -> None:
    assert set(settings_classes()) == {cls for cls, _ in settings_pages.SECTIONS.values()}


def test_given_every_setting_then_its_variables_and_its_key_have_an_entry() -> None:
    section_of = {cls: section for section, (cls, _) in settings_pages.SECTIONS.items()}
    for cls in settings_classes():
        section = page("docs/reference/settings.md").split(f"\n## `[{section_of[cls]}]`\n")[1].split("\n## ")[0]
        entries = {row[1]: row for row in rows(section)}
        for key, setting in settings_of(cls).items():
            row = entries[f"`{key}`"]
            assert all(f"`{name}`" in row[0] for name in setting.env), key
            assert setting.help.split("<")[0] in row[-1], key


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_given_a_variable_of_ours_in_the_code_then_it_has_an_entry(path: object) -> None:
    named = set(re.findall(r"\bAGENT_SWARM_[A-Z][A-Z_]*\b", (SOURCE / str(path)).read_text(encoding="utf-8")))
    assert named <= set(settings_pages.variables())


def test_given_every_route_then_it_has_an_entry_and_somebody_may_call_it() -> None:
    listed = {
        row[0].strip("[").split("]")[0].strip("`"): row[2]
        for row in rows(page("docs/reference/routes.md"))
        if len(row) == 3
    }
    for operation in route_pages.operations():
        assert listed[operation.name] not in ("", "nobody"), operation.name


def test_given_every_scope_then_it_says_who_has_it() -> None:
    holders = {row[0].strip("`"): row[1] for row in rows(page("docs/reference/routes.md")) if len(row) == 2}
    assert all(holders[scope] for scope in Scope)


def test_given_every_type_of_event_then_it_has_an_entry() -> None:
    assert set(EVENT_TYPES) <= first_cells("docs/reference/events.md")


def test_given_every_code_of_an_error_then_it_has_an_entry() -> None:
    assert {*REGISTRY, *(cls.code for cls in error_classes())} <= first_cells("docs/reference/errors.md")


def test_given_every_figure_for_prometheus_then_it_has_an_entry() -> None:
    told = Metrics().page({"tasks": {"pending": 1}, "agents": {"idle": 1}}, WithoutAgent()).decode()
    figures = {found for found in re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE) if not found.endswith("_created")}
    assert len(figures) >= 15
    assert figures <= first_cells("docs/reference/metrics.md")


@pytest.mark.parametrize("name", commands())
def test_given_a_command_then_its_help_and_its_aliases_have_an_entry(name: str) -> None:
    found = commands()[name]
    sections = page("docs/reference/commands.md").split("\n## ")
    section = next(part for part in sections if part.split("\n", 1)[0] == name)
    assert all(f"`{' '.join((*found.path[:-1], alias))}`" in section for alias in found.aliases)
    options = [param for param in found.command.params if isinstance(param, click.Option) and not param.hidden]
    assert all(any(flag in section for flag in option.opts) for option in options)


@pytest.mark.parametrize("frame", FrameType)
def test_given_a_frame_then_it_has_a_section(frame: FrameType) -> None:
    assert f"\n### `{frame.value}`\n" in page("docs/reference/worker-protocol.md")


def test_given_every_shape_of_the_worker_protocol_then_its_fields_have_an_entry() -> None:
    entries = first_cells("docs/reference/worker-protocol.md")
    shapes = [cls for cls in vars(pool).values() if isinstance(cls, type) and issubclass(cls, pool.Wire)]
    assert {name for cls in shapes for name in cls.model_fields} <= entries


def test_given_every_close_code_then_it_has_an_entry() -> None:
    codes = {str(value) for name, value in vars(pool).items() if name.startswith("CLOSE_")}
    assert codes <= {row[0] for row in rows(page("docs/reference/worker-protocol.md"))}


def test_given_every_step_of_a_script_then_it_is_described() -> None:
    described = page("docs/reference/script-harness.md")
    assert all(f"\n{verb} " in described for verb in FORMS)


def test_given_every_status_verb_and_outcome_then_the_life_cycle_names_it() -> None:
    told = page("docs/life-cycle.md")
    assert all(f"`{status}`" in told for status in TaskStatus)
    assert all(re.search(rf"\b{verb}\b", told) for verb in Verb)
    assert all(f"`{word}`" in told for word in (*AttemptOutcome, *FailureClass))


def test_given_the_rules_then_each_is_told_and_whether_it_is_in_force() -> None:
    parts = re.split(r"\n### (T\d+): ", page("docs/life-cycle.md"))
    told = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(told) == RULES
    assert all("In force" in text or "Not there yet" in text for text in told.values())


def test_given_rules_quoted_in_the_code_then_each_is_told() -> None:
    quoted = {
        rule for path in sources() for rule in re.findall(r"\b[Rr]ule (T\d+)\b", path.read_text(encoding="utf-8"))
    }
    assert quoted <= set(RULES)


def test_given_every_table_of_the_database_then_the_architecture_says_what_a_row_is() -> None:
    assert set(metadata.tables) <= first_cells("docs/architecture.md")
