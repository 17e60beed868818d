"""What the build says about pages that run."""

import logging

import pytest

from executor.progress import Progress
from executor.schedule import Event


def test_each_page_is_told_once(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="mkdocs.executor")
    with Progress(2, 3) as progress:
        progress.notify(Event("a.b", "started"))
        progress.notify(Event("c.d", "started"))
        progress.notify(Event("a.b", "done", 1.25))
        progress.notify(Event("c.d", "failed", 0.5))
    assert caplog.messages == [
        "Executing 2 pages, 3 at once",
        "Executed a.b in 1.2 s",
        "Failed: c.d in 0.5 s",
    ]
    assert capsys.readouterr() == ("", "")  # the bar is for terminals


def test_one_page_is_one_page(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mkdocs.executor")
    Progress(1, 1)
    assert caplog.messages == ["Executing 1 page, 1 at once"]
