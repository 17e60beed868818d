"""Checkpoints between pages: kept whole, found by their users, and renewed in order."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from executor import checkpoints
from executor.cache import Cache, Entry
from executor.checkpoints import Store, collect, digest_of, in_order, manifest_of
from executor.cli import main
from executor.errors import NotRunError, PageError, reports
from executor.project import Project, State
from executor.shards import split
from tests.executor.small_site import SmallSite

FILES = {
    "model.safetensors": b"weights",
    "README.md": b"# A model\n",
    "config.json": b"{}",
}


# What is taken of a page.


def lay(workplace: Path, name: str, files: dict[str, bytes]) -> Path:
    folder = workplace / "checkpoints" / name
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return folder


def test_all_files_of_a_checkpoint_are_taken(tmp_path: Path) -> None:
    files = FILES | {"tokenizer/vocab.txt": b"a\nb\n"}
    lay(tmp_path, "vit", files)
    assert collect("docs/x.py", tmp_path, "vit") == files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pytorch_model.bin": b""}, "checkpoints/vit/pytorch_model.bin may be a pickle"),
        ({"deep/er/model.PT": b""}, "checkpoints/vit/deep/er/model.PT may be a pickle"),
        ({"last.ckpt": b""}, "may be a pickle, which runs code"),
        ({"README.md": None}, "has no README.md; write a model card"),
        ({"model.safetensors": None}, "there is no .safetensors file"),
        ({"big.safetensors": bytes(21_000_000)}, "holds 21.0 MB, more than the 20 MB"),
        (dict.fromkeys(FILES), "the run wrote no folder checkpoints/vit"),
    ],
)
def test_what_is_not_taken(
    tmp_path: Path, change: dict[str, bytes | None], message: str
) -> None:
    files = {name: data for name, data in (FILES | change).items() if data is not None}
    lay(tmp_path, "vit", files)
    with pytest.raises(PageError) as caught:
        collect("docs/x.py", tmp_path, "vit")
    assert caught.value.place == "docs/x.py"
    assert message in caught.value.message


def test_a_link_is_not_taken(tmp_path: Path) -> None:
    folder = lay(tmp_path, "vit", FILES)
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(PageError, match="checkpoints/vit/passwords is a link"):
        collect("docs/x.py", tmp_path, "vit")


# Where it is kept.


def entry(page: str = "p", key: str = "k", files: dict[str, bytes] = FILES) -> Entry:
    known = {"vit": manifest_of(files)}
    return Entry(page, key, {}, [[]], {}, {"seconds": 1.0}, known)


def test_what_was_put_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    manifest = manifest_of(FILES)
    assert store.damage(manifest) == "missing"
    store.put(FILES)
    store.put(FILES)
    assert store.damage(manifest) == ""
    assert store.read(manifest) == FILES
    assert [path.name for path in store.folder.iterdir()] == [digest_of(manifest)]
    store.copy(manifest, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text("changed")
    assert store.damage(manifest) == ""


@pytest.mark.parametrize("harm", ["cut", "flip", "lose", "add"])
def test_damage_is_noticed_and_repaired(tmp_path: Path, harm: str) -> None:
    store = Store(tmp_path / "store")
    store.put(FILES)
    file = store.path(manifest_of(FILES)) / "model.safetensors"
    if harm == "lose":
        file.unlink()
    elif harm == "add":
        file.with_name("extra.bin").write_bytes(b"")
    else:
        file.write_bytes(b"weight" if harm == "cut" else b"weighty")
    assert store.damage(manifest_of(FILES)) == "damaged"
    store.put(FILES)
    assert store.damage(manifest_of(FILES)) == ""
    assert len(list(store.folder.iterdir())) == 1


def test_a_checkpoint_half_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "cache")
    write = Path.write_bytes

    def fail(path: Path, data: bytes) -> int:
        if path.name == "config.json":
            raise OSError("no space left")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space"):
        cache.store(entry(), {"vit": FILES})
    assert cache.load("p", "k") is None
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]


def test_an_entry_and_its_checkpoints_belong_together(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    with pytest.raises(ValueError, match="lists other checkpoints"):
        cache.store(entry())
    cache.store(entry(), {"vit": FILES})
    assert cache.load("p", "k") == entry()
    assert cache.damage(entry()) == {}
    shutil.rmtree(cache.folder / "p" / "checkpoints")
    assert cache.damage(entry()) == {"vit": "missing"}


def test_old_checkpoints_go_with_old_entries(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number in range(8):
        # Every second one is like the first.
        files = FILES | {"config.json": b"{}" if number % 2 else b"%d" % number}
        cache.store(entry(key=f"k{number}", files=files), {"vit": files})
    kept = {path.stem for path in (cache.folder / "p").glob("*.json")}
    assert kept == {f"k{number}" for number in range(3, 8)}
    folders = {path.name for path in (cache.folder / "p" / "checkpoints").iterdir()}
    entries = [cache.load("p", key) for key in kept]
    assert folders == {digest_of(each.checkpoints["vit"]) for each in entries if each}
    assert len(folders) == 3


def test_what_killed_writers_left_goes_in_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name, age in (("old", 4000), ("new", 0)):
        left = store.folder / f".{name}.1-2.tmp"
        left.mkdir(parents=True)
        os.utime(left, (time.time() - age,) * 2)
    store.put(FILES)
    assert sorted(path.name for path in store.folder.glob(".*")) == [".new.1-2.tmp"]


def test_merge_takes_checkpoints_along_if_they_are_whole(tmp_path: Path) -> None:
    ours, theirs = Cache(tmp_path / "ours"), Cache(tmp_path / "theirs")
    for page in ("good", "bad"):
        theirs.store(entry(page), {"vit": FILES})
    (theirs.checkpoints("bad").path(manifest_of(FILES)) / "config.json").unlink()
    assert ours.merge(theirs) == 1
    assert ours.load("bad", "k") is None
    assert ours.damage(entry("good")) == {}
    assert ours.checkpoints("good").read(manifest_of(FILES)) == FILES


# Pages.

MAKER = """\
# %% [markdown]
# ---
# executor:
#   saves: [{name}]{more}
# ---
# # Maker

# %%
from pathlib import Path

from snippets.use.train import train

folder = Path("checkpoints/{name}")
folder.mkdir(parents=True)
(folder / "model.safetensors").write_text(train({value}))
(folder / "README.md").write_text("# A model")
{end}
"""
USER = """\
# %% [markdown]
# ---
# executor:
#   checkpoints: [{names}]
# ---
# # User

# %%
from pathlib import Path

for folder in sorted(Path("checkpoints").iterdir()):
    weights = folder / "model.safetensors"
    print(folder.name, weights.read_text())
    weights.write_text("spoiled")
"""
TRAIN = '''\
"""Training."""

STEPS = 3


def train(start):
    """Returns what was learned."""
    return f"learned {start + STEPS}"
'''


def add_maker(
    site: SmallSite,
    uri: str = "maker.py",
    name: str = "vit",
    value: int = 1,
    uses: str = "",
    end: str = "",
) -> None:
    more = f"\n#   checkpoints: [{uses}]" if uses else ""
    text = MAKER.format(name=name, value=value, more=more, end=end)
    site.write(f"docs/{uri}", text)


def add_user(site: SmallSite, uri: str = "user.py", names: str = "vit") -> None:
    site.write(f"docs/{uri}", USER.format(names=names))


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    site = SmallSite(tmp_path)
    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write("snippets/use/train.py", TRAIN)
    return site


@pytest.fixture
def status(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[str]]:
    """Tells what `status` says on both streams."""
    monkeypatch.chdir(site.root)

    def status() -> list[str]:
        capsys.readouterr()
        main(["status"])
        out, err = capsys.readouterr()
        return (out + err).splitlines()

    return status


def ran(text: str) -> list[str]:
    """The pages that were executed, in order."""
    lines = [line.split() for line in text.splitlines()]
    return [words[1] for words in lines if words[:1] == ["Executed"]]


def printed(site: SmallSite, page: str, cache: str = ".cache/executor") -> str:
    latest = Cache(site.root / cache).latest(page)
    assert latest is not None
    return "".join(output["text"] for cell in latest.outputs for output in cell)


def test_a_page_uses_what_another_one_saves(site: SmallSite, status: Any) -> None:
    add_user(site, "a.py")
    add_maker(site)
    result = site.executor("run", "--jobs", "2")
    assert ran(result.stderr) == ["maker", "a"]
    assert printed(site, "a") == "vit learned 4\n"
    assert [line.split()[0] for line in status()] == ["cached", "cached"]
    # What the user did to its copy harmed nobody, and both are alike when they run again.
    again = site.executor("verify")
    assert sorted(again.stdout.split()) == ["a.py", "equal", "equal", "maker.py"]
    known = Cache(site.root / ".cache/executor")
    user, maker = known.latest("a"), known.latest("maker")
    assert user is not None
    assert maker is not None
    made = maker.provenance["checkpoints_made"]["vit"]
    assert made["bytes"] == len("learned 4# A model")
    assert user.provenance["checkpoints_used"] == {"vit": {"page": "maker.py", **made}}
    assert user.provenance["weight_bytes"] == made["bytes"]
    assert not site.leftovers()


def test_an_edit_of_the_maker_makes_its_users_stale(site: SmallSite, status: Any) -> None:
    add_maker(site)
    add_maker(site, "second.py", "detr", 5, uses="vit")
    add_user(site, names="vit, detr")
    assert ran(site.executor("run").stderr) == ["maker", "second", "user"]
    assert printed(site, "user") == "detr learned 8\nvit learned 4\n"
    site.edit("snippets/use/train.py", "STEPS = 3", "STEPS = 4")
    steps = "snippets.use.train:STEPS changed"
    assert status() == [
        f"stale   maker.py: {steps}",
        f"stale   second.py: {steps}; checkpoint vit of maker.py: {steps}",
        f"stale   user.py: checkpoint detr of second.py: {steps}; checkpoint vit "
        f"changed; checkpoint vit of maker.py: {steps}",
    ]
    # One page is wanted, and those that it waits for come along.
    assert ran(site.executor("run", "second").stderr) == ["maker", "second"]
    assert ran(site.executor("run", "user").stderr) == ["user"]
    assert printed(site, "user") == "detr learned 9\nvit learned 5\n"
    site.edit("docs/maker.py", "# # Maker", "# # Another title")
    assert {line.split()[0] for line in status()} == {"cached"}


def test_a_lost_or_damaged_checkpoint_is_made_again(site: SmallSite, status: Any) -> None:
    add_maker(site)
    add_user(site)
    site.executor("run")
    store = Cache(site.root / ".cache/executor").checkpoints("maker")
    (folder,) = store.folder.iterdir()
    (folder / "model.safetensors").write_text("learned 9")
    assert status()[0] == "stale   maker.py: its stored checkpoint vit is damaged"
    assert status()[1].startswith("cached  user.py")
    assert ran(site.executor("run").stderr) == ["maker"]
    shutil.rmtree(store.folder)
    assert status()[0] == "stale   maker.py: its stored checkpoint vit is missing"
    # A forced run of the user alone needs it, too.
    assert ran(site.executor("run", "--force", "user").stderr) == ["maker", "user"]
    assert printed(site, "user") == "vit learned 4\n"


def test_another_checkpoint_for_the_same_key_reaches_its_users(
    site: SmallSite, status: Any
) -> None:
    add_maker(site, end="import time\n(folder / 'when').write_text(str(time.time()))")
    add_user(site)
    site.executor("run")
    assert ran(site.executor("run", "--force", "maker").stderr) == ["maker"]
    assert status()[1] == (
        "stale   user.py: maker.py ran again and made another checkpoint vit"
    )
    site.executor("run")
    shutil.rmtree(site.root / ".cache/executor/maker/checkpoints")
    assert ran(site.executor("run").stderr) == ["maker", "user"]
    assert "differs maker.py" in site.executor("verify", "maker", code=1).stdout


def test_a_page_that_begins_to_save_runs_again(site: SmallSite, status: Any) -> None:
    add_maker(site)
    text = (site.root / "docs/maker.py").read_text()
    site.edit("docs/maker.py", "#   saves: [vit]", "#   timeout: 100")
    site.executor("run")
    site.write("docs/maker.py", text)
    assert status() == ["stale   maker.py: saved checkpoint vit added"]
    site.executor("run")
    assert status()[0].startswith("cached")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Path("checkpoints/vit")', 'Path("elsewhere")', "wrote no folder checkpoints/v"),
        ('"model.safetensors"', '"pytorch_model.bin"', "may be a pickle"),
        ('"README.md"', '"NOTES.md"', "has no README.md"),
    ],
)
def test_a_page_that_does_not_save_what_it_should_fails_alone(
    site: SmallSite, old: str, new: str, message: str
) -> None:
    add_maker(site)
    site.edit("docs/maker.py", old, new)
    add_user(site)
    add_maker(site, "third.py", "detr", uses="vit")
    add_user(site, "fourth.py", "detr")
    site.page("other.py", "print(1)")
    result = site.executor("run", code=1)
    assert ran(result.stderr) == ["other"]
    *_, error, notice = result.stderr.splitlines()
    assert error.startswith("docs/maker.py: ")
    assert message in error
    assert notice.endswith(": not run, because of docs/maker.py")
    assert sorted(notice.partition(":")[0].split(", ")) == [
        "docs/fourth.py",
        "docs/third.py",
        "docs/user.py",
    ]
    assert not list((site.root / ".cache/executor").glob("maker/checkpoints/*"))


def test_a_maker_that_raises_stops_its_users_in_a_build(site: SmallSite) -> None:
    add_maker(site, end="1 / 0")
    add_user(site)
    site.configure("  - maker.py\n  - user.py\n")
    result = site.mkdocs("build", code=1)
    assert "1 page failed:" in result.stderr + result.stdout
    said = result.stderr + result.stdout
    assert said.count("ZeroDivisionError: division by zero") >= 1
    assert said.count("docs/user.py") == 1
    assert "docs/user.py: not run, because of docs/maker.py" in said


def errors_of(site: SmallSite) -> dict[str, PageError]:
    return Project(site.root).states()[1]


def test_an_unknown_checkpoint(site: SmallSite) -> None:
    add_maker(site)
    add_user(site, names="vti")
    errors = errors_of(site)
    assert list(errors) == ["user.py"]
    assert str(errors["user.py"]) == (
        "docs/user.py: executor.checkpoints names vti, which no page saves; "
        "those with executor.saves have: vit"
    )


def test_two_pages_that_save_the_same(site: SmallSite) -> None:
    add_maker(site, "a.py")
    add_maker(site, "b.py")
    errors = errors_of(site)
    assert list(errors) == ["b.py"]
    assert "names vit, which docs/a.py saves too" in str(errors["b.py"])


def test_a_circle_has_one_error(site: SmallSite) -> None:
    add_maker(site, "a.py", "one", uses="two")
    add_maker(site, "b.py", "two", uses="three")
    add_maker(site, "c.py", "three", uses="one")
    add_maker(site, "self.py", "self", uses="self")
    add_user(site, "beyond.py", "two")
    errors = errors_of(site)
    texts = reports(errors.values())
    assert len(errors) == 5
    assert len(texts) == 3
    assert texts[0].startswith("docs/a.py: checkpoints go round in a circle")
    assert (
        "docs/a.py uses a checkpoint of docs/b.py; docs/b.py uses a checkpoint of "
        "docs/c.py; docs/c.py uses a checkpoint of docs/a.py" in texts[0]
    )
    assert "docs/self.py uses a checkpoint of docs/self.py" in texts[1]
    assert texts[2] == (
        "docs/b.py, docs/beyond.py, docs/c.py: not run, because of docs/a.py"
    )


def test_a_maker_that_cannot_be_read(site: SmallSite) -> None:
    add_maker(site)
    add_user(site)
    site.edit("docs/maker.py", "# executor:", "# executor: [")
    errors = errors_of(site)
    assert isinstance(errors["user.py"], NotRunError)
    assert "no page that can be read saves the checkpoint vit" in str(errors["user.py"])
    add_maker(site)
    site.edit("snippets/use/train.py", "def train", "def other")
    errors = errors_of(site)
    assert isinstance(errors["user.py"], NotRunError)
    assert errors["user.py"].cause == "docs/maker.py"


@pytest.mark.parametrize("name", ["Vit", "../vit", "a/b", "", ".vit", "a b"])
def test_a_bad_name(site: SmallSite, name: str) -> None:
    add_user(site, names=f'"{name}"')
    assert "the name of a checkpoint has small letters" in str(errors_of(site)["user.py"])


def states_of(site: SmallSite) -> list[State]:
    states, errors = Project(site.root).states()
    assert not errors
    return states


def test_parts_keep_users_with_their_makers(site: SmallSite) -> None:
    for number in range(3):
        add_maker(site, f"m{number}.py", f"c{number}")
        add_user(site, f"u{number}.py", f"c{number}")
    add_user(site, "both.py", "c0, c1")
    project = Project(site.root)
    parts = split(project, states_of(site), 2)
    assert sorted(map(sorted, parts)) == [
        ["both.py", "m0.py", "m1.py", "u0.py", "u1.py"],
        ["m2.py", "u2.py"],
    ]
    site.executor("run", "m0", "m1", "m2")
    # Makers that are cached bind nobody.
    sizes = sorted(len(part) for part in split(project, states_of(site), 7))
    assert sizes == [1] * 7


def test_parts_run_apart_make_one_cache(site: SmallSite, status: Any) -> None:
    for number in range(3):
        add_maker(site, f"m{number}.py", f"c{number}", number)
        add_user(site, f"u{number}.py", f"c{number}")
    site.executor("run", "m0")
    pages = []
    for part in (1, 2, 3):
        folder = f".cache/part-{part}"
        shutil.copytree(site.root / ".cache/executor", site.root / folder)
        result = site.executor("run", "--shard", f"{part}/3", "--cache", folder)
        pages += ran(result.stderr)
    assert sorted(pages) == ["m1", "m2", "u0", "u1", "u2"]
    shutil.rmtree(site.root / ".cache/executor")
    site.executor("merge", *(f".cache/part-{part}" for part in (1, 2, 3)))
    assert {line.split()[0] for line in status()} == {"cached"}
    assert printed(site, "u2") == "c2 learned 5\n"
    assert site.executor("run").stderr == ""


def test_a_kill_while_a_checkpoint_is_made_harms_nothing(
    site: SmallSite, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    end = f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(60)"
    add_maker(site, end=end)
    add_user(site)
    process = site.start("executor", "run", log=tmp_path / "log")
    with process:
        limit = time.monotonic() + 60
        while not started.exists():
            assert time.monotonic() < limit, (tmp_path / "log").read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert not list((site.root / ".cache/executor").rglob("*.safetensors"))
    site.edit("docs/maker.py", "sleep(60)", "sleep(0)")
    assert ran(site.executor("run").stderr) == ["maker", "user"]


def test_the_limit_is_what_the_documentation_says() -> None:
    assert checkpoints.LIMIT == 20_000_000


def test_equal_weights_are_equal_files_whatever_the_order_of_their_metadata() -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.int8)}
    metadata = {f"shared.{number}": "a" for number in range(20)} | {"format": "pt"}
    files = {safetensors.torch.save(tensors, metadata) for _ in range(20)}
    (ordered,) = {in_order(file) for file in files}

    assert len(files) > 1, "the library has come to order"
    again = safetensors.torch.load(ordered)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    header = json.loads(ordered[8 : 8 + int.from_bytes(ordered[:8], "little")])
    assert header["__metadata__"] == metadata


def test_other_weights_stay_as_they_are() -> None:
    plain = safetensors.torch.save({"a": torch.ones(2)}, {"format": "pt"})

    assert in_order(plain) == plain
    assert in_order(b"no safetensors") == b"no safetensors"
