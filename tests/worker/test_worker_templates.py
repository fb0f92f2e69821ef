"""Templates of agents: what is read, where it is found, and when it counts."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.config import SettingError
from agent_swarm.domain.errors import NotFound
from agent_swarm.domain.permissions import BUILT_IN
from agent_swarm.templates.document import DEFAULTS, FILE_NAME, Template, TemplateInvalid, read
from agent_swarm.templates.finding import find, listed
from agent_swarm.worker.first_boot import decided_in, require_defaults, template_named, with_template
from agent_swarm.worker.settings import WorkerSettings

AGENT_ID = "0b5e3c1e-6f0a-4c57-9d5e-2f1a7c3b9e10"
OFFICIAL = ("coder", "content-reviewer", "content-strategist", "content-writer", "lead", "reviewer")
TESTER = 'name = "Tester"\nprompt = ["work.md"]\n[profile]\nrole = "tester"\n[defaults]\nslots = 3\nmax_turns = 7\n'


def write(folder: Path, text: str = TESTER, work: str = "test it") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE_NAME).write_text(text)
    (folder / "work.md").write_text(work)
    return folder


def settings(tmp_path: Path, **more: Any) -> WorkerSettings:
    given = {"agent_id": AGENT_ID, "workers_dir": tmp_path / "workers", "templates_dir": tmp_path / "own", **more}
    return WorkerSettings(api_key="k", **given)


def start(tmp_path: Path, named: str, *, decided: frozenset[str] = frozenset(), **more: Any) -> WorkerSettings:
    """A start of the agent, as far as its lock."""
    found = with_template(settings(tmp_path, template_id=named, **more), decided=decided, environ={})
    home = tmp_path / "workers" / AGENT_ID
    home.mkdir(parents=True, exist_ok=True)
    (home / "lock").touch()
    return found


def repository(folder: Path) -> str:
    """The URL of a git repository with a template in qa/tester."""
    write(folder / "qa" / "tester")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "templates"]):
        subprocess.run([*git, *command], check=True)
    return f"file://{folder}"


def test_given_the_package_then_its_templates_say_all_that_an_agent_needs(tmp_path: Path) -> None:
    found = {one.id: one.template for one in listed(tmp_path)}
    assert sorted(found) == [f"official/{name}" for name in OFFICIAL]
    for template in found.values():
        assert template is not None
        require_defaults(template)
        assert template.instructions
        assert template.skills
        assert template.role
        assert template.permissions in BUILT_IN
        assert template.agent_role == ("lead" if template.id == "official/lead" else "worker")
        assert Template.of_json(json.loads(json.dumps(template.as_json()))) == template


def test_given_the_defaults_that_a_template_may_have_then_none_of_them_lets_an_agent_do_more() -> None:
    assert {"yolo", "permission_mode", "pass_env", "writable", "readable", "network", "mcp_config"}.isdisjoint(DEFAULTS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "not valid TOML"),
        ("", "name is missing"),
        ('name = "x"\nskill = ["a"]', "skill is not known; known there: name"),
        ('name = "x"\n[profile]\ncolour = "a"', "profile.colour is not known"),
        ('name = "x"\n[profile]\nskills = "a"', "profile.skills has to be a list"),
        ('name = "x"\n[defaults]\nyolo = true', "defaults.yolo is not known"),
        ('name = "x"\nagent_role = "boss"', "expected lead or worker"),
        ('name = "x"\nprompt = ["../secret.md"]', "prompt has to be a list of files of this folder"),
        ('name = "x"\nprompt = ["absent.md"]', "cannot read absent.md: No such file"),
    ],
)
def test_given_a_mistake_in_a_template_when_it_is_read_then_the_error_names_it(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(TemplateInvalid, match=told):
        read(write(tmp_path / "t", text), "t")


def test_given_a_template_with_a_link_out_of_it_when_it_is_read_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    folder = write(tmp_path / "t")
    (folder / "work.md").unlink()
    (folder / "work.md").symlink_to(tmp_path / "secret")
    with pytest.raises(TemplateInvalid, match="leads out of the template"):
        read(folder, "t")


def test_given_own_templates_when_they_are_named_then_by_name_or_folder(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write(own / "team" / "tester")
    write(own / "official" / "coder")
    write(own / "broken", "name = ")
    assert find("team/tester", own).role == "tester"
    assert find(str(own / "team" / "tester"), own).instructions == "test it"
    assert find("official/coder", own).role == "coder"
    names = {one.id: bool(one.problem) for one in listed(own) if not one.id.startswith("official/")}
    assert names == {"team/tester": False, "broken": True}
    with pytest.raises(NotFound, match="no template 'team/absent'"):
        find("team/absent", own)
    with pytest.raises(TemplateInvalid, match="names no template"):
        find("Team Tester", own)


def test_given_a_template_in_a_git_repository_when_it_is_named_by_url_then_it_is_fetched(tmp_path: Path) -> None:
    url = repository(tmp_path / "repo")
    found = template_named(f"{url}#qa/tester", own=tmp_path)
    assert (found.id, found.role) == (f"{url}#qa/tester", "tester")
    with pytest.raises(SettingError, match="leads out of the repository"):
        template_named(f"{url}#../../..", own=tmp_path)
    with pytest.raises(SettingError, match="has credentials in it") as refused:
        template_named("https://me:hunter2@git.example.com/t.git", own=tmp_path)
    assert "hunter2" not in str(refused.value)


def test_given_a_first_start_when_settings_are_decided_then_those_hold_and_the_template_fills_the_rest(
    tmp_path: Path,
) -> None:
    write(tmp_path / "own" / "tester")
    found = start(tmp_path, "tester", decided=frozenset({"slots"}), slots=2)
    assert (found.slots, found.max_turns) == (2, 7)
    assert found.template is not None
    assert found.template.role == "tester"


def test_given_an_agent_that_has_started_when_its_template_changes_then_it_stays_what_it_was(tmp_path: Path) -> None:
    folder = write(tmp_path / "own" / "tester")
    start(tmp_path, "tester")
    write(folder, TESTER.replace("7", "9"), work="something else")
    again = start(tmp_path, "tester")
    other = start(tmp_path, "official/coder")
    for found in (again, other):
        assert found.template is not None
        assert (found.max_turns, found.template.instructions) == (7, "test it")


def test_given_a_template_of_a_repository_when_that_is_gone_at_the_next_start_then_the_agent_is_what_it_was(
    tmp_path: Path,
) -> None:
    url = repository(tmp_path / "repo")
    first = start(tmp_path, f"{url}#qa/tester")
    (tmp_path / "repo").rename(tmp_path / "gone")
    again = start(tmp_path, f"{url}#qa/tester")
    assert first.template == again.template
    assert (again.template_id, again.max_turns) == (f"{url}#qa/tester", 7)


def test_given_an_agent_that_started_without_one_when_a_template_is_named_then_it_is_not_applied(
    tmp_path: Path,
) -> None:
    start(tmp_path, "")
    assert start(tmp_path, "official/coder").template is None


def test_given_a_start_that_was_cut_short_when_it_is_tried_again_then_it_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "workers" / AGENT_ID).mkdir(parents=True)
    assert start(tmp_path, "official/coder").template is not None


def test_given_a_template_that_does_not_fit_when_the_agent_starts_then_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="official/lead is for a lead, and AGENT_ROLE is worker"):
        start(tmp_path, "official/lead")
    write(tmp_path / "own" / "tester", TESTER.replace("3", '"many"'))
    with pytest.raises(SettingError, match=r"defaults\.slots of template tester is 'many'"):
        start(tmp_path, "tester")
    assert start(tmp_path, "official/coder").template is not None


def test_given_flags_and_variables_and_a_file_then_what_they_set_is_decided(tmp_path: Path) -> None:
    toml = tmp_path / "config.toml"
    toml.write_text("[worker]\nmax_turns = 3\n")
    found = decided_in({"MAX_CONCURRENT_TASKS": "2"}, {"harness": "script", "offers": None}, toml)
    assert found == {"max_turns", "slots", "harness"}
