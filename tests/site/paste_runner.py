"""Runs pasted code: started as a script of its own, it reads what to run from stdin.

The first line lists import statements of packages that take seconds to load. Each other
line asks for the pastes of a page, which run in a fork; the answer is the fork's status.

Pastes of a page start with the same cells, and some of these train a model. The pastes
form a tree: what several have in common runs once, and each branch in a fork. Before a
branch runs, the files are put back. Each result is one line of JSON.
"""

import contextlib
import importlib.abc
import io
import json
import linecache
import os
import shutil
import signal
import sys
import tempfile
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCKED = ("snippets", "executor", "hub_mirror")
FOLDERS = ("work", "tmp")


@dataclass
class Node:
    """A place in the tree: pastes that end here, and what comes next in others."""

    ends: list[str] = field(default_factory=list)
    branches: dict[str, "Node"] = field(default_factory=dict)

    def all_ends(self) -> list[str]:
        """Return the pastes that end here or further on."""
        return self.ends + [
            end for branch in self.branches.values() for end in branch.all_ends()
        ]


def tree(pastes: dict[str, list[str]]) -> Node:
    """Return the tree of pastes, each a list of cells by name."""
    root = Node()
    for name, parts in pastes.items():
        node = root
        for part in parts:
            node = node.branches.setdefault(part, Node())
        node.ends.append(name)
    return root


class Blocker(importlib.abc.MetaPathFinder):
    """Hides the project, which the editable install makes importable everywhere."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Runner:
    """Runs a tree of pastes.

    Args:
        results: Where to write results.
        files: The folder with everything that pastes can write.
        limit: Seconds that one cell may take.
    """

    def __init__(self, results: Path, files: Path, limit: int) -> None:
        self.results = results
        self.files = files
        self.limit = limit
        self.module = types.ModuleType("__main__")
        self.count = 0

    def run(self, node: Node) -> None:
        branches = list(node.branches.items())
        backup = self.files.with_name(f"{self.files.name}-{os.getpid()}-{self.count}")
        if len(branches) > 1:
            shutil.copytree(self.files, backup, symlinks=True)
        for number, (part, branch) in enumerate(branches):
            if number:
                restore(backup, self.files)
            # The last one needs no process of its own.
            if number == len(branches) - 1:
                self.step(part, branch)
                return
            child = os.fork()
            if not child:
                try:
                    self.step(part, branch)
                finally:
                    sys.stdout.flush()
                    os._exit(0)  # without cleaning up what belongs to the parent too
            _, status = os.waitpid(child, 0)
            if status:
                self.report(branch.all_ends(), f"the process ended with status {status}")

    def step(self, part: str, branch: Node) -> None:
        """Run one cell, and what comes after it."""
        self.count += 1
        name = f"<block {self.count}>"
        linecache.cache[name] = (len(part), None, part.splitlines(keepends=True), name)
        output = io.StringIO()
        signal.alarm(self.limit)
        try:
            sys.modules["__main__"] = self.module
            with contextlib.redirect_stdout(output):
                exec(compile(part, name, "exec"), self.module.__dict__)
        except BaseException:  # noqa: BLE001 - pasted code may raise anything
            signal.alarm(0)
            self.report(branch.all_ends(), traceback.format_exc(limit=-5))
            return
        signal.alarm(0)
        self.report(branch.ends, "", output.getvalue())
        self.run(branch)

    def report(self, names: list[str], error: str, output: str = "") -> None:
        lines = [
            json.dumps({"name": name, "error": error, "output": output}) + "\n"
            for name in names
        ]
        with self.results.open("a", encoding="utf-8") as file:
            file.write("".join(lines))


def restore(backup: Path, files: Path) -> None:
    """Put the files back; the folders stay, one of them is the current one."""
    for folder in FOLDERS:
        for path in (files / folder).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        shutil.copytree(backup / folder, files / folder, True, dirs_exist_ok=True)


def serve() -> None:
    """Load packages, then run what is asked for until nothing more comes."""
    sys.meta_path.insert(0, Blocker())
    for name in [name for name in sys.modules if name.partition(".")[0] in BLOCKED]:
        del sys.modules[name]
    sys.path[0] = ""  # as in an interactive session; not the folder of this file
    for statement in json.loads(sys.stdin.readline()):
        with contextlib.suppress(Exception):  # the paste that has it shows the error
            exec(statement, {})
    for line in sys.stdin:
        print(json.dumps(run_in_fork(json.loads(line))), flush=True)


def run_in_fork(request: dict[str, Any]) -> int | None:
    """Return the exit status of a process for these pastes, None if it took too long."""
    child = os.fork()
    if not child:
        try:
            os.setsid()
            run(request)
        except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def kill(signum: int, frame: object) -> None:
        os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.alarm(request["patience"])
    _, status = os.waitpid(child, 0)
    in_time = signal.alarm(0) > 0
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a paste left running
    return os.waitstatus_to_exitcode(status) if in_time else None


def run(request: dict[str, Any]) -> None:
    """Run pastes in this process."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, output, output)):
        os.dup2(file, number)
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    if "datasets.config" in sys.modules:
        cache = Path(os.environ["HF_DATASETS_CACHE"])
        sys.modules["datasets.config"].HF_DATASETS_CACHE = cache  # type: ignore[attr-defined]
    files = Path(request["files"])
    os.chdir(files / "work")

    def stop(signum: int, frame: object) -> None:
        raise TimeoutError(f"a block ran longer than {request['limit']} s")

    signal.signal(signal.SIGALRM, stop)
    runner = Runner(Path(request["results"]), files, request["limit"])
    runner.run(tree(request["pastes"]))
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    serve()
