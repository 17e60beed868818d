"""A tiny run of the benchmark works from end to end."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import build


def test_a_tiny_run_builds_every_case_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    (tmp_path / "benchmark-").mkdir()
    tiny = ["--no-torch", "--pages", "2", "--repeat", "1", "--tools", "ours", "--keep"]

    assert build.main(tiny) == 0

    printed = capfd.readouterr()
    assert "This site" in printed.out
    assert re.search(r"Measured on \w+ \d+, \d{4}, by `", printed.err)
    samples = json.loads((tmp_path / "benchmark-" / "table" / "results.json").read_text())
    assert set(samples) == {
        f"{case} ours" for case in ("cold", "nothing", "code", "prose", "shared")
    }
    for (sample,) in samples.values():
        assert sample["right"]
        assert sample["seconds"] > 0
    assert samples["cold ours"][0]["peak_memory"] > 10_000_000
