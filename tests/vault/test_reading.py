"""What all backends have in common: the list of allowed references, repetitions within the time, what is missing."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_swarm.testing.secret_services.http import Reply
from agent_swarm.testing.secret_services.vault import FakeVault
from agent_swarm.vault.backends.catalog import BUILDERS
from agent_swarm.vault.backends.errors import BackendUnavailable, BackendUnusable, SecretDenied, SecretNotFound
from agent_swarm.vault.backends.reading import SecretReader, pause_before_next, read_trusted
from agent_swarm.vault.backends.references import FORMS, Reference, parse
from agent_swarm.vault.backends.settings import BackendSettings, load_backend_settings

NAME = parse("env://NAME")


class Scripted:
    """Answers, or raises, one after the other; keeps the time it was given."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.given: list[float] = []

    def read(self, reference: Reference, *, seconds: float) -> str:
        self.given.append(seconds)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Time:
    """A clock that stands still but for pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def reader(backend: Scripted, time: Time, patterns: Sequence[str] = ("env://*",)) -> SecretReader:
    return SecretReader(
        BackendSettings(references=tuple(patterns)),
        builders={"env": lambda _, __: backend},
        clock=lambda: time.now,
        pause=time.pause,
    )


def test_given_every_form_of_reference_then_it_has_a_backend() -> None:
    assert BUILDERS.keys() == FORMS.keys()


def test_given_a_reference_that_is_not_allowed_when_it_is_read_then_no_backend_is_asked() -> None:
    backend = Scripted("value")
    with pytest.raises(SecretDenied):
        reader(backend, Time(), patterns=())(NAME, seconds=10)
    assert not backend.given


def test_given_a_busy_backend_when_a_secret_is_read_then_it_is_asked_again_with_growing_pauses() -> None:
    backend, time = Scripted(BackendUnavailable("busy"), BackendUnavailable("busy"), "value"), Time()
    assert reader(backend, time)(NAME, seconds=10) == "value"
    assert time.pauses == [0.2, 0.4]
    assert backend.given == pytest.approx([10, 9.8, 9.4])


def test_given_a_backend_that_says_when_to_come_again_when_it_is_asked_then_that_is_kept() -> None:
    time = Time()
    assert reader(Scripted(BackendUnavailable("busy", retry_after=3), "value"), time)(NAME, seconds=10) == "value"
    assert time.pauses == [3]


def test_given_no_time_for_the_pause_or_no_use_in_asking_again_when_it_is_refused_then_the_refusal_counts() -> None:
    assert pause_before_next(1, asked_for=11, left=10) is None
    assert pause_before_next(1, asked_for=None, left=10) is None
    assert pause_before_next(9, asked_for=0, left=10) == 5.0
    with pytest.raises(BackendUnavailable, match="sealed"):
        reader(Scripted(BackendUnavailable("sealed", retry_after=None), "value"), Time())(NAME, seconds=10)


def test_given_an_empty_secret_when_it_is_read_then_it_is_none() -> None:
    with pytest.raises(SecretNotFound, match="is empty"):
        reader(Scripted(""), Time())(NAME, seconds=10)


def test_given_vault_that_is_busy_at_first_when_it_is_read_through_the_catalog_then_the_secret_comes(
    vault: FakeVault,
) -> None:
    settings = load_backend_settings(
        environ={
            "VAULT_ADDR": f"{vault.url}/",
            "VAULT_TOKEN": vault.token("secret/data/"),
            "AGENT_SWARM_SECRET_REFERENCES": "vault://secret/data/*, env://GITHUB_*",
        }
    )
    time = Time()
    vault.fail_next(Reply(429), Reply(500))
    read = SecretReader(settings, pause=time.pause)
    assert read(parse("vault://secret/data/github#token"), seconds=10) == "second"
    assert time.pauses == [0.2, 0.4]


@pytest.mark.parametrize(
    ("text", "module", "extra"),
    [
        ("keyring://a/b", "keyring", "keyring"),
        ("gcp-sm://project/name", "google.auth", "cloud"),
        ("aws-sm://name", "boto3", "cloud"),
    ],
)
def test_given_an_extra_that_is_not_installed_when_it_is_needed_then_its_name_is_said(
    text: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    for name in [name for name in sys.modules if name.startswith(f"{module.partition('.')[0]}.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BackendUnusable, match=module) as refused:
        SecretReader(BackendSettings(references=("*",)))(parse(text), seconds=1)
    assert refused.value.hint == f'install the extra: pip install "agent-swarm[{extra}]"'


def test_given_a_reference_in_the_servers_own_settings_when_it_is_read_then_it_needs_no_pattern(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("value")
    assert read_trusted(parse(f"file://{tmp_path}/key"), BackendSettings()) == "value"
