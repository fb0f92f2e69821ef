"""What is written where an agent may have put links."""

from pathlib import Path

from agent_swarm.harness.kept.home import write_for_agent


def test_given_nothing_or_an_earlier_file_when_a_file_is_written_then_it_is_there_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    for content in ("first", "second"):
        write_for_agent(tmp_path, ".cli", "settings.json", content)
        assert (tmp_path / ".cli" / "settings.json").read_text() == content
    assert (tmp_path / ".cli" / "settings.json").stat().st_mode & 0o077 == 0


def test_given_links_of_an_agent_when_a_file_is_written_then_nothing_is_changed_where_they_lead(tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "settings.json").write_text("of somebody else")
    (root := tmp_path / "root").mkdir()
    (root / "folder").symlink_to(elsewhere)
    (root / "file").mkdir()
    (root / "file" / "settings.json").symlink_to(elsewhere / "settings.json")
    (tmp_path / "linked").symlink_to(root)
    write_for_agent(root, "folder", "settings.json", "ours")
    write_for_agent(root, "file", "settings.json", "ours")
    write_for_agent(tmp_path / "linked", "new", "settings.json", "ours")
    assert (elsewhere / "settings.json").read_text() == "of somebody else"
    assert (root / "file" / "settings.json").read_text() == "ours"
    assert not (root / "new").exists()
