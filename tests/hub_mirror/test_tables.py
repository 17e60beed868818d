"""The reference page lists what there is, and every source is whole."""

import subprocess
import sys
import time
from pathlib import Path

from hub_mirror import models
from hub_mirror.manifest import sources
from hub_mirror.tables import PAGE, fill_page

ROOT = Path(__file__).resolve().parents[2]


def test_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert fill_page(text) == text, "run: python -m hub_mirror page"
    for model in models():
        assert f"`{model.id}`" in text


def test_every_source_is_pinned() -> None:
    assert {model.id for model in sources()} == {model.id for model in models()}
    for model in models():
        assert len(model.package.sha256) == 64
        assert model.package.version in model.package.archive
        assert model.licence
        assert model.attribution
        assert {file.path for file in model.files} >= {"config.json", "model.safetensors"}
        assert "README.md" in {file.path for file in model.files}


def test_a_full_cache_is_seen_quickly() -> None:
    command = [sys.executable, "-m", "hub_mirror", "fill"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert time.perf_counter() - start < 5  # far less than a conversion, on any machine
