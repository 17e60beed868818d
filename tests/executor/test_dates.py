"""The last change of a file, as git tells it."""

import os
import subprocess
from pathlib import Path

from executor.dates import Change, changes


def git(root: Path, *arguments: str, date: str = "2026-01-02T03:04:05Z") -> str:
    env = os.environ | {
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", root, *who, *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_each_file_has_its_own_last_change(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "old.md").write_text("1", encoding="utf-8")
    (root / "docs" / "ü new.md").write_text("1", encoding="utf-8")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "one", date="2025-01-02T03:04:05Z")
    first = git(root, "rev-parse", "HEAD")
    (root / "docs" / "ü new.md").write_text("2", encoding="utf-8")
    git(root, "commit", "-qam", "two")
    second = git(root, "rev-parse", "HEAD")
    assert changes(root, "docs") == {
        "docs/old.md": Change("2025-01-02", first),
        "docs/ü new.md": Change("2026-01-02", second),
    }
    (root / "docs" / "old.md").write_text("3", encoding="utf-8")
    (root / "docs" / "fresh.md").write_text("1", encoding="utf-8")
    found = changes(root, "docs")
    assert found["docs/old.md"] == Change("2025-01-02", f"{first}+")
    assert "docs/fresh.md" not in found
    assert changes(root, "data") == {}

    # A clone without history would date every file by its newest commit.
    git(tmp_path, "clone", "-q", "--depth", "1", root.as_uri(), "shallow")
    assert changes(tmp_path / "shallow", "docs") == {}


def test_outside_git_nothing_is_known(tmp_path: Path) -> None:
    assert changes(tmp_path, "docs") == {}
