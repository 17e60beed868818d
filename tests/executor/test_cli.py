"""The executor's commands: what they say, do and return."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executor.cache import Cache, Entry
from executor.cli import compare, main
from executor.project import Project
from tests.executor.small_site import SmallSite

TWO = '''\
"""Things."""

FACTOR = 2


def twice(x):
    return _times(x, FACTOR)


def _times(x, y):
    return x * y
'''


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


@pytest.fixture
def executor(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process. Returns its exit code, output and errors."""
    monkeypatch.chdir(site.root)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
        return code, *capsys.readouterr()

    return run


def pretend(site: SmallSite, seconds: float = 1.0) -> None:
    """Caches every page as though it had run."""
    project = Project(site.root)
    states, errors = project.states()
    assert not errors
    for state in states:
        outputs: list[list[dict[str, Any]]] = [[] for _ in state.program.code]
        known = {"seconds": seconds, "packages": {}}
        entry = Entry(
            state.page.id, state.key.digest, state.key.parts, outputs, {}, known
        )
        project.cache.store(entry)


def test_help_lists_the_commands(site: SmallSite) -> None:
    result = site.executor("--help")
    assert "python -m executor" in result.stdout
    for command in ("status", "run", "verify", "merge"):
        assert command in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["destroy"], "invalid choice: 'destroy'"),
        (["run", "--jobs", "0"], "want a number from 1 on; saw 0"),
        (["run", "--jobs", "many"], "want a number from 1 on; saw many"),
        (["run", "--shard", "4/3"], "want I/N with 1 ≤ I ≤ N, such as 2/5; saw 4/3"),
        (["run", "nowhere"], "no page is called nowhere"),
        (["merge", "nowhere"], "nowhere is not a folder"),
        (["status", "--root", "nowhere"], "nowhere has no docs folder; give --root"),
    ],
)
def test_a_wrong_command_line(executor: Any, arguments: list[str], message: str) -> None:
    code, out, err = executor(*arguments)
    assert code == 2
    assert message in err
    assert not out


def test_status_of_a_page_that_never_ran_and_of_one_that_did(
    site: SmallSite, executor: Any
) -> None:
    site.page("use/a.py", "print(1)")
    assert executor("status") == (1, "stale   use/a.py: never run\n", "")
    pretend(site, 3.21)
    assert executor("status") == (0, "cached  use/a.py (3.2 s)\n", "")
    assert executor("--quiet", "status") == (0, "", "")
    site.edit("docs/use/a.py", "# # Title", "# # Another title")
    assert executor("status")[0] == 0


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("docs/a.py", "print(twice(1))", "print(twice(2))", "cell 1 changed"),
        ("docs/a.py", "\n# %%\nprint(2)\n", "", "cell 2 removed"),
        (
            "snippets/use/two.py",
            "return _",
            "return 1 * _",
            "snippets.use.two:twice changed",
        ),
        ("snippets/use/two.py", "x * y", "y * x", "snippets.use.two:_times changed"),
        ("snippets/use/two.py", "= 2", "= 3", "snippets.use.two:FACTOR changed"),
        ("constraints.txt", "numpy==2.5.5", "numpy==2.5.6", "numpy 2.5.5 → 2.5.6"),
        ("data/x.csv", "1,2", "1,3", "data/x.csv changed"),
    ],
)
def test_status_says_why_a_page_is_stale(
    site: SmallSite, executor: Any, path: str, old: str, new: str, reason: str
) -> None:
    site.write("data/x.csv", "1,2\n")
    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write("snippets/use/two.py", TWO)
    site.write(
        "docs/a.py",
        "# %% [markdown]\n# ---\n# executor:\n#   data: [data/x.csv]\n# ---\n# # A\n\n"
        "# %%\nimport numpy\nfrom snippets.use.two import twice\nprint(twice(1))\n\n"
        "# %%\nprint(2)\n",
    )
    site.page("b.py", "print(1)")
    pretend(site)
    site.edit(path, old, new)
    code, out, err = executor("status")
    assert (code, err) == (1, "")
    assert out == f"stale   a.py: {reason}\ncached  b.py (1.0 s)\n"
    assert executor("status", "-q")[1] == f"stale   a.py: {reason}\n"
    site.edit(path, new, old) if new else None
    assert executor("status")[0] == (0 if new else 1)


def test_status_of_a_page_that_cannot_be_read(site: SmallSite, executor: Any) -> None:
    site.page("good.py", "print(1)")
    site.write("docs/bad.py", "# %% [markdown]\n# ---\n# a: [1\n# ---\n# # Bad\n")
    pretend_only = Project(site.root).states()
    assert list(pretend_only[1]) == ["bad.py"]
    code, out, err = executor("status")
    assert code == 1
    assert "good.py" in out
    assert err.startswith("docs/bad.py:")
    assert executor("status", "docs/bad.py")[0] == 1


@pytest.mark.parametrize(
    "name", ["use/a-page.py", "docs/use/a-page.py", "./docs/use/a-page.py", "use.a_page"]
)
def test_a_page_has_three_names(site: SmallSite, executor: Any, name: str) -> None:
    site.page("use/a-page.py", "1")
    site.page("use/other.py", "1")
    assert executor("status", name)[1] == "stale   use/a-page.py: never run\n"


def test_an_unknown_name_is_told_with_those_like_it(
    site: SmallSite, executor: Any
) -> None:
    site.page("vision/vit.py", "1")
    code, out, err = executor("run", "docs/vision/vti.py")
    assert (code, out) == (2, "")
    assert err.startswith(
        "no page is called docs/vision/vti.py; did you mean docs/vision/v"
    )
    assert not (site.root / ".cache" / "executor").exists()


def test_two_pages_of_one_name_are_refused(site: SmallSite, executor: Any) -> None:
    site.page("a-b.py", "1")
    site.page("a_b.py", "1")
    code, _, err = executor("status")
    assert code == 1
    assert "docs/a_b.py: in bound values its name is a_b" in err
    assert "docs/a-b.py" in err


def test_options_may_stand_after_the_command(site: SmallSite, executor: Any) -> None:
    site.page("a.py", "1")
    pretend(site)
    kept = str(site.root / ".cache" / "executor")
    empty = str(site.root / "empty")
    for before, after, code in (
        (["--cache", kept], [], 0),
        ([], ["--cache", kept], 0),
        (["--cache", empty], [], 1),
        ([], ["--cache", empty], 1),
    ):
        assert executor(*before, "status", *after)[0] == code


def test_a_cache_elsewhere_leaves_nothing_beside_it(
    site: SmallSite, executor: Any
) -> None:
    site.page("a.py", "import numpy")
    before = set(site.root.iterdir())
    assert executor("status", "--cache", "part")[0] == 1
    assert set(site.root.iterdir()) == before


def test_run_runs_what_is_stale(site: SmallSite) -> None:
    site.page("one.py", "print(1)")
    site.page("two.py", "print(2)")
    result = site.executor("run", "one")
    assert result.stdout == ""
    assert result.stderr.startswith("Executing 1 page, ")
    assert "Executed one in" in result.stderr
    result = site.executor("run", "--jobs", "1")
    assert result.stderr.startswith("Executing 1 page, 1 at once\nExecuted two in")
    result = site.executor("run")
    assert result.stdout + result.stderr == ""
    result = site.executor("run", "--force", "docs/one.py")
    assert "Executed one in" in result.stderr
    assert "two" not in result.stderr
    result = site.executor("run", "--force", "-q", "one.py")
    assert result.stdout + result.stderr == ""


def test_a_page_that_fails_does_not_keep_others_from_running(site: SmallSite) -> None:
    site.page("bad.py", "x = 1\nx / 0")
    site.write("docs/broken.py", "# %% [markdown]\n# ---\n# a: [1\n# ---\n# # Broken\n")
    site.page("good.py", "print(1)")
    result = site.executor("run", "--quiet", code=1)
    assert result.stdout == ""
    assert (
        "docs/bad.py:6: cell 1 raised ZeroDivisionError: division by zero"
        in result.stderr
    )
    assert "docs/broken.py:" in result.stderr
    status = site.executor("status", code=1)
    assert "cached  good.py" in status.stdout
    assert "stale   bad.py: never run" in status.stdout


def test_verify_compares_every_page_with_its_cache(site: SmallSite) -> None:
    site.page("random.py", "import random\nrandom.random()")
    site.page("value.py", "#| record:\n#|   x: random.random()\nimport random")
    site.page("equal.py", "print(1)")
    site.page(
        "timing.py",
        "#| volatile: true\n#| record:\n#|   t: time.time()\nimport time\ntime.time()",
    )
    first = site.executor("verify")
    assert sorted(first.stdout.splitlines()) == [
        f"new     {page}.py: nothing to compare with; cached now"
        for page in ("equal", "random", "timing", "value")
    ]
    cached = site.executor("status")
    second = site.executor("verify", code=1)
    assert "equal   equal.py" in second.stdout
    assert "equal   timing.py" in second.stdout
    assert "differs random.py" in second.stdout
    assert "cell 1, cached" in second.stdout
    assert "differs value.py" in second.stdout
    assert "value x, now" in second.stdout
    assert site.executor("status").stdout == cached.stdout  # nothing was replaced


def test_merge_takes_over_sound_entries(site: SmallSite, executor: Any) -> None:
    site.page("a.py", "1")
    site.page("b.py", "1")
    pretend(site)
    parts = [site.root / "part1", site.root / "part2"]
    for part, page in zip(parts, "ab", strict=True):
        part.mkdir()
        shutil.move(site.root / ".cache" / "executor" / page, part / page)
    (parts[0] / "shards-x.json").write_text("[]")
    (parts[0] / "b").mkdir()
    (parts[0] / "b" / "half.json").write_text('{"format": 1')
    assert executor("status")[0] == 1
    code, out, _ = executor("merge", *map(str, parts))
    assert code == 0
    assert out == f"{parts[0]}: 1 executed pages\n{parts[1]}: 1 executed pages\n"
    assert executor("status")[0] == 0
    assert executor("merge", "-q", *map(str, parts))[1] == ""


def test_an_interrupt_keeps_what_has_finished(site: SmallSite, tmp_path: Path) -> None:
    started = tmp_path / "started"
    site.page("fast.py", "print(1)")
    site.page(
        "slow.py", f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(90)"
    )
    log = tmp_path / "log"
    process = site.start("executor", "run", "--jobs", "2", log=log)
    with process:
        end = time.monotonic() + 60
        while not (started.exists() and "Executed fast" in log.read_text()):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    text = log.read_text()
    assert "interrupted; finished pages are cached" in text
    assert "Traceback" not in text
    assert "destroyed" not in text
    assert not site.processes()
    assert not site.leftovers()
    cache = Cache(site.root / ".cache" / "executor")
    assert cache.latest("fast") is not None
    assert cache.latest("slow") is None


def test_it_runs_from_anywhere(site: SmallSite, tmp_path: Path) -> None:
    site.page("a.py", "print(1)")
    result = subprocess.run(
        [sys.executable, "-m", "executor", "--root", str(site.root), "status"],
        cwd=tmp_path,
        env=site.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == "stale   a.py: never run\n"


def test_where_a_kernel_splits_a_stream_is_no_difference(project: Any) -> None:
    state = SimpleNamespace(program=project.program("# %%\nprint(1)\nprint(2)\n"))

    def entry(*texts: tuple[str, str]) -> Any:
        outputs = [
            {"output_type": "stream", "name": name, "text": text} for name, text in texts
        ]
        return SimpleNamespace(outputs=[outputs], records={}, checkpoints={})

    whole = entry(("stdout", "1\n2\n"))
    assert compare(state, whole, entry(("stdout", "1\n"), ("stdout", "2\n"))) == ""
    assert compare(state, whole, entry(("stdout", "1\n"), ("stderr", "2\n"))) != ""
    assert compare(state, whole, entry(("stdout", "1\n"), ("stdout", "3\n"))) != ""
