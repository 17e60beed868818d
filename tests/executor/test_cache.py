"""The cache gives back what was stored, or nothing; a damaged file is nothing."""

import dataclasses
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from executor.cache import Cache, Entry


def entry(key: str = "k", page: str = "vision.vit", **records: Any) -> Entry:
    output = v4.new_output("stream", name="stdout", text="é \U0001f917 \ud800\n")
    return Entry(
        page,
        key,
        {"packages": {"torch": "2.14.1"}},
        [[], [dict(output)]],
        records or {"accuracy": 0.5, "names": ["a", "b"]},
        {"commit": None, "seconds": 1.5},
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def path_of(cache: Cache, key: str = "k", page: str = "vision.vit") -> Path:
    return cache.folder / page / f"{key}.json"


def test_what_is_stored_is_loaded(cache: Cache) -> None:
    cache.store(entry())
    assert cache.load("vision.vit", "k") == entry()
    assert Cache(cache.folder).latest("vision.vit") == entry()


def test_what_is_not_there_is_none(cache: Cache) -> None:
    assert cache.load("vision.vit", "k") is None
    assert cache.latest("vision.vit") is None
    cache.store(entry())
    assert cache.load("vision.vit", "other") is None
    assert cache.load("vision.other", "k") is None


def test_any_flipped_byte_is_noticed(cache: Cache) -> None:
    cache.store(entry())
    path = path_of(cache)
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        loaded = cache.load("vision.vit", "k")
        # White space and the spelling of an escape may differ without harm.
        assert loaded is None or loaded == entry(), position
    path.write_bytes(whole)
    assert cache.load("vision.vit", "k") == entry()


def test_any_truncation_is_noticed(cache: Cache) -> None:
    cache.store(entry())
    path = path_of(cache)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load("vision.vit", "k") is None
        assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"format": 1, "digest": "x", "payload": 3}',
        b'{"format": 1, "digest": "x", "payload": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_other_content_is_nothing(cache: Cache, content: bytes) -> None:
    path = path_of(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert cache.load("vision.vit", "k") is None
    assert cache.latest("vision.vit") is None


def test_an_entry_with_other_fields_is_nothing(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(value: Any) -> dict[str, Any]:
        return {**dataclasses.asdict(value), "more": 1}

    monkeypatch.setattr("executor.cache.asdict", changed)
    cache.store(entry())
    assert cache.load("vision.vit", "k") is None


def test_another_format_is_left_for_who_understands_it(cache: Cache) -> None:
    cache.store(entry())
    path = path_of(cache)
    data = json.loads(path.read_bytes())
    path.write_text(json.dumps({**data, "format": 99}))
    assert cache.load("vision.vit", "k") is None
    assert path.exists()


@pytest.mark.parametrize(("page", "key"), [("vision.other", "k"), ("vision.vit", "l")])
def test_an_entry_in_the_wrong_place_is_nothing(
    cache: Cache, page: str, key: str
) -> None:
    cache.store(entry())
    wrong = path_of(cache, key, page)
    wrong.parent.mkdir(exist_ok=True)
    wrong.write_bytes(path_of(cache).read_bytes())
    assert cache.load(page, key) is None
    assert cache.load("vision.vit", "k") == entry()


def test_a_folder_or_a_file_in_the_way_is_nothing(cache: Cache) -> None:
    path_of(cache).mkdir(parents=True)
    assert cache.load("vision.vit", "k") is None
    assert cache.latest("vision.vit") is None
    (cache.folder / "a.b").write_text("not a folder")
    assert cache.load("a.b", "k") is None
    assert cache.latest("a.b") is None


def test_a_damaged_file_that_cannot_be_removed_is_nothing(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "denied")

    path = path_of(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half")
    monkeypatch.setattr(Path, "unlink", refuse)
    assert cache.load("vision.vit", "k") is None
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert cache.load("vision.vit", "k") is None


def test_the_newest_five_of_a_page_are_kept(cache: Cache) -> None:
    cache.store(entry("other", "other.page"))
    for number in range(8):
        cache.store(entry(f"k{number}"))
    kept = sorted(path.stem for path in (cache.folder / "vision.vit").iterdir())
    assert kept == ["k3", "k4", "k5", "k6", "k7"]
    assert cache.load("other.page", "other") is not None


def test_latest_is_the_newest_however_quickly_stored(cache: Cache) -> None:
    for number in (3, 1, 4, 2):
        cache.store(entry(f"k{number}"))
        latest = cache.latest("vision.vit")
        assert latest is not None
        assert latest.key == f"k{number}"


def test_latest_passes_over_a_damaged_entry(cache: Cache) -> None:
    cache.store(entry("k1"))
    cache.store(entry("k2"))
    path_of(cache, "k2").write_bytes(b"half")
    latest = cache.latest("vision.vit")
    assert latest is not None
    assert latest.key == "k1"


def test_an_entry_in_use_counts_as_new(cache: Cache) -> None:
    for number in range(5):
        cache.store(entry(f"k{number}"))
    cache.touch(entry("k0"))
    cache.touch(entry("missing"))
    cache.store(entry("k5"))
    kept = {path.stem for path in (cache.folder / "vision.vit").iterdir()}
    assert kept == {"k0", "k2", "k3", "k4", "k5"}


def test_merge_takes_what_is_sound(cache: Cache, tmp_path: Path) -> None:
    other = Cache(tmp_path / "other")
    assert cache.merge(other) == 0
    for number in range(5):
        other.store(entry(f"k{number}"))
    other.store(entry("x", "a.b"))
    path_of(other, "k0").write_bytes(b"half")
    (other.folder / "stray").write_text("a file")
    cache.store(entry("mine"))
    assert cache.merge(other) == 5
    latest = cache.latest("vision.vit")
    assert latest is not None
    assert latest.key == "k4"
    kept = {path.stem for path in (cache.folder / "vision.vit").iterdir()}
    assert kept == {"mine", "k1", "k2", "k3", "k4"}
    assert cache.load("a.b", "x") == entry("x", "a.b")


def test_readers_and_writers_at_once(cache: Cache) -> None:
    problems: list[object] = []
    stop = threading.Event()
    contents = [entry("k", value=number, filler="x" * 50_000) for number in range(4)]
    cache.store(contents[0])

    def write(mine: Entry) -> None:
        try:
            for number in range(25):
                cache.store(mine)
                cache.store(entry(f"{mine.records['value']}-{number}"))
        except Exception as error:  # noqa: BLE001 - told to the test's thread
            problems.append(error)

    def read() -> None:
        try:
            while not stop.is_set():
                loaded = cache.load("vision.vit", "k")
                if loaded is not None and loaded not in contents:
                    problems.append(loaded)
                cache.latest("vision.vit")
        except Exception as error:  # noqa: BLE001 - told to the test's thread
            problems.append(error)

    writers = [threading.Thread(target=write, args=[mine]) for mine in contents]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert problems == []
    names = [path.name for path in (cache.folder / "vision.vit").iterdir()]
    assert len(names) == 5
    assert not any(name.endswith(".tmp") for name in names)


def test_a_writer_that_fails_leaves_the_old_entry(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(entry())

    def fail(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space left"):
            cache.store(entry(accuracy=0.9))
    assert cache.load("vision.vit", "k") == entry()
    assert [path.name for path in (cache.folder / "vision.vit").iterdir()] == ["k.json"]


def test_what_a_killed_writer_leaves_is_not_read_and_goes_in_time(cache: Cache) -> None:
    cache.store(entry())
    folder = cache.folder / "vision.vit"
    half, old = folder / ".l.json.1-2.tmp", folder / ".m.json.3-4.tmp"
    half.write_bytes(b"half")
    old.write_bytes(b"half")
    day_ago = time.time() - 86_400
    os.utime(old, (day_ago, day_ago))
    assert cache.load("vision.vit", "l") is None
    latest = cache.latest("vision.vit")
    assert latest == entry()
    cache.store(entry("n"))
    assert half.exists()  # its writer may be at work
    assert not old.exists()
