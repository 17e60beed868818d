"""Declared data: files and folders reach the page, and change its key."""

from pathlib import Path
from typing import Any

import pytest

from executor import datafiles
from executor.errors import PageError
from executor.keys import changes

PAGE = """\
# %% [markdown]
# ---
# executor:
#   data: [data/tiny/, data/x.csv]
# ---
# # Title

# %%
#| record:
#|   listing: listing
from pathlib import Path

listing = sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())
Path("data/tiny/README.md").write_text("changed")
"""


@pytest.fixture(autouse=True)
def data(project: Any) -> None:
    project.write("data/tiny/README.md", "# Tiny\n")
    project.write("data/tiny/inner/train.csv", "1\n")
    project.write("data/tiny/.DS_Store", "junk")
    project.write("data/tiny/__pycache__/x.pyc", "junk")
    project.write("data/x.csv", "1,2\n")


def test_a_page_finds_folders_and_files_and_cannot_harm_them(
    project: Any, run: Any
) -> None:
    execution = run(PAGE)
    assert execution.records["listing"] == [
        "data/tiny/README.md",
        "data/tiny/inner/train.csv",
        "data/x.csv",
    ]
    assert (project.root / "data/tiny/README.md").read_text() == "# Tiny\n"


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("data/tiny/inner/train.csv", "2\n", ["data/tiny changed"]),
        ("data/tiny/inner/test.csv", "1\n", ["data/tiny changed"]),
        ("data/x.csv", "1,3\n", ["data/x.csv changed"]),
        ("data/tiny/.DS_Store", "other junk", []),
        ("data/other.csv", "1\n", []),
    ],
)
def test_the_key_has_a_part_for_each_file_or_folder(
    project: Any, path: str, text: str, said: list[str]
) -> None:
    before = project.key(PAGE)
    assert set(before.parts["data"]) == {"data/tiny", "data/x.csv"}
    project.write(path, text)
    after = project.key(PAGE)
    assert changes(before.parts, after.parts) == said
    assert (before.digest == after.digest) == (not said)


def test_a_file_that_moves_changes_the_key(project: Any) -> None:
    before = project.key(PAGE)
    folder = project.root / "data/tiny"
    (folder / "inner").rename(folder / "outer")
    assert changes(before.parts, project.key(PAGE).parts) == ["data/tiny changed"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/nowhere", "not a file or folder of the project"),
        ("../outside", "not a file or folder of the project"),
        ("/etc", "not a file or folder of the project"),
        (".", "not a file or folder of the project"),
        ("data/empty", "a folder that holds no file"),
        ("data/link", "not a file or folder of the project"),
        ("data/leaky", "inner/out is a link that leads out of the project"),
    ],
)
def test_what_cannot_be_declared(
    project: Any, tmp_path: Path, path: str, message: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (project.root / "data/empty").mkdir()
    (project.root / "data/link").symlink_to(outside)
    (project.root / "data/leaky/inner").mkdir(parents=True)
    (project.root / "data/leaky/inner/out").symlink_to(outside / "file")
    with pytest.raises(PageError, match="data names") as caught:
        project.key(PAGE.replace("data/tiny/", path))
    assert caught.value.place == "docs/chapter/page.py"
    assert message in caught.value.message


def test_an_edit_is_seen_although_digests_are_remembered(project: Any) -> None:
    file = project.root / "data/x.csv"
    first = datafiles.digest_of_file(file)
    file.write_text("1,9\n")  # as long as before
    assert datafiles.digest_of_file(file) != first


DATASET = """\
# %% [markdown]
# ---
# executor:
#   data: [data/tiny-parquet]
# ---
# # Title

# %%
#| record:
#|   cached: cached
#|   columns: columns
from pathlib import Path

import datasets
from datasets import load_dataset

train = load_dataset("data/tiny-parquet", split="train")
print(train)
cached = [Path(file["filename"]).parts[-6] for file in train.cache_files]
print(train.map(lambda row: {"y": row["x"] * 2})[:3])
columns = load_dataset("data/tiny-parquet")["test"].column_names
"""
CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: train-*.parquet
  - split: test
    path: test-*.parquet
---
# Tiny
"""


def test_a_committed_data_set_loads_and_leaves_nothing(
    project: Any, run: Any, environment: Any
) -> None:
    import pandas

    project.write("data/tiny-parquet/README.md", CARD)
    for split, rows in (("train", 20), ("test", 5)):
        frame = pandas.DataFrame({"x": range(rows), "label": [0] * rows})
        path = project.root / f"data/tiny-parquet/{split}-00000-of-00001.parquet"
        frame.to_parquet(path)
    home = Path(environment["HF_HOME"])
    before = {path.name for path in home.iterdir()} if home.exists() else set()
    first, second = run(DATASET), run(DATASET)
    assert first.outputs == second.outputs
    assert first.records["columns"] == ["x", "label"]
    text = "".join(output["text"] for output in first.outputs[0])
    assert "num_rows: 20" in text
    assert "'y': [0, 2, 4]" in text
    assert "Generating" not in text
    after = {path.name for path in home.iterdir()} if home.exists() else set()
    assert after - before <= {"modules"}
    assert {path.name for path in (project.root / "data/tiny-parquet").iterdir()} == {
        "README.md",
        "train-00000-of-00001.parquet",
        "test-00000-of-00001.parquet",
    }
