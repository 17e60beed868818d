"""Runs pasted code: started as a script of its own, it reads what to run from stdin.

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


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)

    def stop(signum: int, frame: object) -> None:
        raise TimeoutError(f"a block ran longer than {request['limit']} s")

    signal.signal(signal.SIGALRM, stop)
    sys.meta_path.insert(0, Blocker())
    for name in [name for name in sys.modules if name.partition(".")[0] in BLOCKED]:
        del sys.modules[name]
    sys.path[0] = ""  # as in an interactive session; not the folder of this file
    files = Path(request["files"])
    os.chdir(files / "work")
    runner = Runner(Path(request["results"]), files, request["limit"])
    runner.run(tree(request["pastes"]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
