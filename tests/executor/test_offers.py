"""What the site offers to fetch: equal zips, and code that unpacks them where it runs."""

import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from executor import costs
from executor.cache import Entry
from executor.checkpoints import manifest_of
from executor.offers import Offers, fetch_code, mentioned, pack
from executor.project import Project

MAKER = """\
# %% [markdown]
# ---
# executor: {data: [data/tiny], saves: [vit]}
# ---
# # Make it

# %%
1
"""
USER = """\
# %% [markdown]
# ---
# executor: {data: [data/x.csv], checkpoints: [vit]}
# ---
# # Use it

# %%
1
"""
FILES = {"model.safetensors": b"weights", "README.md": b"# A model\n"}


@pytest.fixture
def offers(project: Any) -> Offers:
    project.write("data/tiny/README.md", "# Tiny\n")
    project.write("data/tiny/train.csv", "1\n" * 1000)
    project.write("data/x.csv", "1,2\n")
    maker = project.program(MAKER, "vision/maker.py")
    user = project.program(USER, "use/deep/user.py")
    ours = Project(project.root)
    manifest = {"vit": manifest_of(FILES)}
    made = Entry("vision.maker", "k", {}, [[]], {}, {}, manifest)
    ours.cache.store(made, {"vit": FILES})
    known = {"checkpoints_used": {"vit": {"page": "vision/maker.py", "bytes": 2_500_000}}}
    used = Entry("use.deep.user", "k", {}, [[]], {}, known)
    offers = Offers(ours, [(maker, made), (user, used)], "https://site.invalid/r/")
    assert offers.rows(maker, made) == [
        ("Data", "[`data/tiny`](../files/data/tiny.zip), 0.3 KB as a zip"),
        (
            "Checkpoints made",
            "[`checkpoints/vit`](../files/checkpoints/vit.zip), 0.3 KB as a zip",
        ),
    ]
    assert offers.rows(user, used) == [
        ("Data", "[`data/x.csv`](../../files/data/x.csv.zip), 0.1 KB as a zip"),
        ("Checkpoints used", "`vit`, 2.5 MB, made by [Make it](../../vision/maker.py)"),
    ]
    assert '["data/x.csv", "checkpoints/vit"]' in offers.fetch_for(user)
    assert '["data/tiny"]' in offers.fetch_for(maker)
    return offers


def test_each_thing_is_a_zip_of_its_own(offers: Offers) -> None:
    uris = {offer.uri: offer for offer in offers.all.values()}
    assert sorted(uris) == [
        "files/checkpoints/vit.zip",
        "files/data/tiny.zip",
        "files/data/x.csv.zip",
    ]
    with zipfile.ZipFile(uris["files/checkpoints/vit.zip"].path) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"checkpoints/vit/{name}": data for name, data in FILES.items()
        }
    with zipfile.ZipFile(uris["files/data/x.csv.zip"].path) as archive:
        assert archive.namelist() == ["data/x.csv"]


def test_equal_files_give_equal_zips(tmp_path: Path) -> None:
    files = {}
    for number, name in enumerate("ab"):
        files[f"x/{name}"] = tmp_path / name
        files[f"x/{name}"].write_text("text" * 100)
        os.utime(tmp_path / name, (number * 1e8 + 1e9,) * 2)
    first = pack(files)
    os.utime(tmp_path / "a", (1.5e9, 1.5e9))
    (tmp_path / "a").chmod(0o600)
    assert pack(dict(reversed(files.items()))) == first
    assert len(first) < 400


def test_old_zips_go(offers: Offers, project: Any) -> None:
    folder = project.root / ".cache" / "files"
    for name, age in (("old.zip", 2e5), ("new.zip", 0)):
        (folder / name).write_bytes(b"")
        stamp = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (stamp, stamp))
    Offers(Project(project.root), [], "")
    assert {path.name for path in folder.iterdir()} >= {"new.zip"}
    assert not (folder / "old.zip").exists()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("load('data/tiny')", ["data/tiny"]),
        ("load('./data/tiny')", []),
        ("load('data/tiny/train.csv')", ["data/tiny"]),
        ("load(f'data/tiny/{x}.csv')", ["data/tiny"]),
        ("load('data/tiny-er')", []),
        ("load('more-data/tiny')", []),
        ("# data/tiny\nload()", []),
        ("'''data/tiny'''\ndef f(x):\n    '''Loads data/tiny.'''", []),
        ("def f(x='data/tiny'): pass", ["data/tiny"]),
        ("load(f'data/{x}')", ["data/tiny", "data/x.csv"]),
        ("Path('checkpoints') / 'vit'", ["checkpoints/vit"]),
        ("pipeline(model='checkpoints/vit')", ["checkpoints/vit"]),
        ("%timeit load('data/tiny')", ["data/tiny"]),
        ("syntax error 'data/tiny'", []),
    ],
)
def test_code_that_mentions_a_path(source: str, found: list[str]) -> None:
    names = ["data/tiny", "data/x.csv", "checkpoints/vit"]
    assert mentioned(source, names) == found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_code_fetches_what_is_missing_and_nothing_else(
    offers: Offers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, here = tmp_path / "site", tmp_path / "here"
    for offer in offers.all.values():
        target = site / offer.uri
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(offer.path.read_bytes())
    (here / "data" / "tiny").mkdir(parents=True)
    (here / "data" / "tiny" / "mine").write_text("mine")
    monkeypatch.chdir(here)
    with served(site) as address:
        exec(fetch_code(list(offers.all), address), {})
    assert sorted(p.as_posix() for p in Path().rglob("*") if p.is_file()) == [
        "checkpoints/vit/README.md",
        "checkpoints/vit/model.safetensors",
        "data/tiny/mine",
        "data/x.csv",
    ]
    # Now that all is here, no server is needed.
    exec(fetch_code(list(offers.all), address), {})


def test_a_zip_cannot_write_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil", "1")
        archive.writestr(str(tmp_path / "absolute"), "1")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.zip").write_bytes(buffer.getvalue())
    here = tmp_path / "deep" / "er" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    with served(tmp_path) as address:
        exec(fetch_code(["x"], address), {})
    outside = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {p for p in outside if not p.is_relative_to(here)} == {
        tmp_path / "files" / "x.zip"
    }


def test_lines_of_code_are_counted() -> None:
    source = (
        '"""A docstring."""\n\n# A comment.\nimport os  # counts\n\n\n'
        "def f(\n    x,\n):\n"
        '    """Another.\n\n    Long.\n    """\n    return """a\n\n# text\n"""\n'
    )
    assert costs.lines_of(source) == 6
    assert costs.lines_of("") == 0
