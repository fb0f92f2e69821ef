"""Where the master key comes from, in which order, and what is said about a file that cannot be used."""

import os
import stat
from pathlib import Path

import pytest

from agent_swarm.vault import keyfile
from agent_swarm.vault.finding import KeySources, find_keys
from agent_swarm.vault.keys import InvalidKey, MasterKey, Origin, new_key


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_given_a_key_at_every_place_when_one_place_after_the_other_is_empty_then_the_next_one_counts(
    tmp_path: Path,
) -> None:
    first, second, third = new_key(), new_key(), new_key()
    named = written(tmp_path / "named", f"{second.text}\n")
    written(tmp_path / ".encryption-key", third.text)
    found = [
        find_keys(KeySources(data_dir=tmp_path, key=first.text, key_file=named)).master,
        find_keys(KeySources(data_dir=tmp_path, key=" \n", key_file=named)).master,
        find_keys(KeySources(data_dir=tmp_path)).master,
        find_keys(KeySources(data_dir=tmp_path / "elsewhere")).master,
    ]
    assert [key and (key.material, key.origin) for key in found] == [
        (first.material, Origin.ENVIRONMENT),
        (second.material, Origin.FILE),
        (third.material, Origin.DATA_DIR),
        None,
    ]


def test_given_a_place_that_is_named_when_there_is_no_key_then_no_other_place_is_tried(tmp_path: Path) -> None:
    written(tmp_path / ".encryption-key", new_key().text)
    with pytest.raises(InvalidKey, match="SECRETS_ENCRYPTION_KEY: got 3 bytes"):
        find_keys(KeySources(data_dir=tmp_path, key="abcd"))
    with pytest.raises(InvalidKey, match=r"gone \(SECRETS_ENCRYPTION_KEY_FILE\) does not exist"):
        find_keys(KeySources(data_dir=tmp_path, key_file=tmp_path / "gone"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_given_a_key_file_that_others_can_open_when_read_then_it_is_refused_by_name(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / ".encryption-key", new_key().text, mode)
    with pytest.raises(InvalidKey, match=rf"\.encryption-key is open to others \(mode {mode:04o}\)") as caught:
        find_keys(KeySources(data_dir=tmp_path))
    assert f"chmod 600 {path}" in caught.value.hint


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), ("\n \n", "is empty"), ("x" * 52, "got 39 bytes")])
def test_given_a_key_file_without_a_key_when_read_then_it_is_refused_by_name(
    tmp_path: Path, content: str, said: str
) -> None:
    written(tmp_path / "key", content)
    with pytest.raises(InvalidKey, match=f"key.*{said}"):
        find_keys(KeySources(data_dir=tmp_path, key_file=tmp_path / "key"))


def test_given_a_folder_in_the_place_of_a_key_file_when_read_then_it_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".encryption-key").mkdir()
    with pytest.raises(InvalidKey, match=r"\.encryption-key"):
        find_keys(KeySources(data_dir=tmp_path))


def test_given_a_key_file_that_cannot_be_read_when_read_then_it_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".encryption-key").symlink_to(".encryption-key")  # a loop: nobody can read it, not even root
    with pytest.raises(InvalidKey, match=r"cannot read the encryption key in .*\.encryption-key"):
        find_keys(KeySources(data_dir=tmp_path))


def test_given_a_staged_key_when_it_is_installed_then_the_file_holds_it_and_is_private(tmp_path: Path) -> None:
    path, old, new = tmp_path / ".encryption-key", new_key(), new_key()
    before = os.umask(0)
    try:
        for key in (old, new):
            keyfile.stage(path, key)
            assert (find_keys(KeySources(data_dir=tmp_path)).staged or key).material == key.material
            keyfile.install(path)
    finally:
        os.umask(before)
    found = find_keys(KeySources(data_dir=tmp_path))
    assert found.master is not None
    assert (found.master.id, found.staged) == (new.id, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [".encryption-key"]


def test_given_half_a_staged_key_when_keys_are_looked_for_then_it_counts_for_nothing(tmp_path: Path) -> None:
    written(tmp_path / ".encryption-key.next", new_key().text[:20])
    assert find_keys(KeySources(data_dir=tmp_path)).staged is None


def test_given_the_key_before_when_it_is_named_then_it_is_found_beside_the_key(tmp_path: Path) -> None:
    key, before = new_key(), new_key()
    found = find_keys(KeySources(data_dir=tmp_path, key=key.text, previous=before.text))
    assert isinstance(found.previous, MasterKey)
    assert found.previous.id == before.id
