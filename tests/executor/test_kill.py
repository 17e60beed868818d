"""A build that is killed, at any moment, harms neither the next one nor the machine."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executor.cache import Cache
from tests.executor.small_site import SmallSite

# A killed build leaves no process behind after this many seconds. A quiet machine takes
# a small part of it.
SOON = 10.0
KILLS = 20


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def cached(site: SmallSite) -> dict[str, Any]:
    """What every file of the cache holds by page; each must be whole."""
    folder = site.root / ".cache" / "executor"
    cache = Cache(folder)
    found = {}
    for path in sorted(folder.glob("*/[!.]*.json")):
        entry = cache.load(path.parent.name, path.stem)
        assert entry is not None, f"{path} is damaged"
        found[entry.page] = (entry.key, entry.outputs, entry.records)
    return found


def test_a_kill_at_any_moment_leaves_a_cache_that_is_right(
    site: SmallSite, tmp_path: Path
) -> None:
    pages = ["one", "two", "three", "four"]
    for number, page in enumerate(pages):
        site.page(
            f"{page}.py",
            f"#| record:\n#|   n: {number}\nimport time\n\n"
            f"time.sleep({number})\nfor n in range(999):\n    print(n, {page!r})",
        )
    site.executor("run")
    right = cached(site)
    assert right.keys() == set(pages)

    generator = random.Random(20)
    folder = site.root / ".cache" / "executor"
    seen: set[int] = set()
    log = tmp_path / "log"
    for number in range(KILLS):
        if len(cached(site)) == len(pages):
            folder.rename(tmp_path / f"cache-{number}")
        before = len(site.leftovers()), len(cached(site))
        process = site.start("executor", "run", log=log)
        # Most of a run is its start, so moments drawn from its length would rarely meet
        # a page that runs or an entry that is written.
        reached: Callable[[], bool] = generator.choice(
            [
                lambda: True,
                lambda: bool(log.read_bytes()),
                lambda before=before: len(site.leftovers()) > before[0],
                lambda before=before: len(list(folder.glob("*/*.json"))) > before[1],
            ]
        )
        while process.poll() is None and not reached():
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 1))
        process.kill()
        process.wait()
        found = cached(site)
        assert found.items() <= right.items(), log.read_text()
        seen.add(len(found))
        wait_for(lambda: not site.processes(), SOON)
    assert len(seen) > 2, "the kills met too few states: their moments are badly chosen"

    left = set(site.leftovers())
    assert len(left) <= KILLS * (os.cpu_count() or 1)
    site.executor("run")
    assert cached(site) == right
    assert site.executor("run").stderr == ""
    assert set(site.leftovers()) == left


@pytest.mark.parametrize("victim", ["build", "zygote"])
def test_nothing_outlives_a_killed_build_or_zygote(
    site: SmallSite, tmp_path: Path, victim: str
) -> None:
    started = tmp_path / "started"
    site.page(
        "slow.py",
        f"""\
        import multiprocessing, subprocess, time
        subprocess.Popen(["sleep", "90"])
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[90])
        child.start()
        open({str(started)!r}, "w").close()
        time.sleep(90)
        """,
    )
    log = tmp_path / "log"
    process = site.start("executor", "run", log=log)
    with process:
        wait_for(started.exists)
        mine = site.processes()
        assert len(mine) >= 4  # the build, the kernel and what that started
        if victim == "build":
            process.kill()
        else:
            zygote = next(one for one in mine if "zygote.py" in " ".join(one.cmdline()))
            os.kill(zygote.pid, signal.SIGKILL)
        assert process.wait(30) == (-signal.SIGKILL if victim == "build" else 1)
    wait_for(lambda: not site.processes(), SOON)
    if victim == "zygote":
        assert "docs/slow.py:5: the kernel died in cell 1" in log.read_text()
        assert not site.leftovers()


def test_a_build_killed_while_it_imports_leaves_nothing(
    site: SmallSite, tmp_path: Path
) -> None:
    site.page("torch.py", "import torch\nprint(torch.ones(2))")
    process = site.start("executor", "run", log=tmp_path / "log")
    with process:
        wait_for(lambda: len(site.processes()) > 1)
        process.kill()
    wait_for(lambda: not site.processes(), SOON)
