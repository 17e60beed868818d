"""What the copy buttons of the site give, and a check that each of them runs alone."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from paste_runner import FOLDERS
from playwright.sync_api import Page as Tab
from site_checks import ROOT, Site

import hub_mirror
from executor.environment import page_environment, shared_environment
from hub_mirror.manifest import models

RUNNER = Path(__file__).with_name("paste_runner.py")
CACHE = ROOT / ".cache" / "paste"
LIMIT = 600
"""Seconds that one block may take, on a machine that does other things too."""
SLOW = ("torch", "torchvision", "transformers", "datasets")


@dataclass(frozen=True)
class Paste:
    """What one copy button gives.

    Attributes:
        place: The page and the number of the button.
        parts: The blocks that it is made of.
    """

    place: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """What a reader pastes."""
        return "\n\n".join(self.parts)


@dataclass(frozen=True)
class Result:
    """How it went: an error or nothing, and what the last block printed."""

    error: str
    output: str = ""


@dataclass(frozen=True)
class Web:
    """All of the web that pastes reach: the site, which a server here stands in for.

    Attributes:
        site: The built site.
        address: Where it is served on this machine.
    """

    site: Site
    address: str

    def redirected(self, part: str) -> str:
        """Returns code that fetches files from here instead of the published site."""
        return part.replace(f"{self.site.base}files/", f"{self.address}files/")

    def fetched(self, text: str) -> dict[str, str]:
        """Returns the digest of each file of the site that code may fetch."""
        if f"{self.site.base}files/" not in text:
            return {}
        files = {
            path.relative_to(self.site.root / "files").as_posix(): path
            for path in (self.site.root / "files").rglob("*.zip")
        }
        return {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in sorted(files.items())
            if json.dumps(name.removesuffix(".zip")) in text
        }


def run_all(
    pastes: Iterable[Paste], web: Web | None = None, *, limit: int = LIMIT
) -> dict[Paste, Result]:
    """Runs pastes, each alone in an empty folder, or remembers that they ran.

    Those of one page that start alike share what they have in common where processes can
    fork. One that fails then gets a second try in a process of its own, which counts.

    Args:
        pastes: What to run.
        web: Where they may fetch files.
        limit: Seconds that one block may take.
    """
    results = {}
    groups: dict[str, list[Paste]] = {}
    for paste in pastes:
        stored = CACHE / f"{key(paste, web)}.json"
        if stored.is_file():
            results[paste] = Result("", json.loads(stored.read_text("utf-8"))["output"])
        else:
            page = paste.place.partition(" ")[0]
            group = page if sys.platform == "linux" else paste.place
            groups.setdefault(group, []).append(paste)
    longest = sorted(groups.values(), key=lambda group: -sum(len(p.text) for p in group))
    preload = imports(chain.from_iterable(longest))
    with ExitStack() as stack:
        idle: SimpleQueue[Process] = SimpleQueue()
        count = min(len(longest), os.cpu_count() or 1)
        for _ in range(count):
            idle.put(stack.enter_context(Process(preload)))

        def run(group: list[Paste]) -> dict[Paste, Result]:
            process = idle.get()
            found = process.run(group, limit, web)
            for paste in group:
                if found[paste].error and len(group) > 1:
                    found |= process.run([paste], limit, web)
            idle.put(process)
            return found

        with ThreadPoolExecutor(count or 1) as pool:
            for found in pool.map(run, longest):
                results |= found
    CACHE.mkdir(parents=True, exist_ok=True)
    for paste, result in results.items():
        if not result.error:
            entry = {"place": paste.place, "output": result.output}
            stored = CACHE / f"{key(paste, web)}.json"
            if not stored.is_file():
                stored.write_text(json.dumps(entry), encoding="utf-8")
    return results


def imports(pastes: Iterable[Paste]) -> list[str]:
    """Returns the statements with which pastes import packages that load slowly.

    Only packages that load their modules all at once or on demand: of any other, a paste
    could use a module that only the imports of another paste have loaded.
    """
    found: dict[str, None] = {}
    for part in {part: None for paste in pastes for part in paste.parts}:
        try:
            statements = ast.parse(part).body
        except SyntaxError:
            continue  # the runner tells
        for statement in statements:
            match statement:
                case ast.Import(names=[ast.alias(name=str(name)), *_]):
                    pass
                case ast.ImportFrom(module=str(name), level=0):
                    pass
                case _:
                    continue
            if name.partition(".")[0] in SLOW:
                found[ast.unparse(statement)] = None
    return list(found)


def key(paste: Paste, web: Web | None) -> str:
    """Returns a hash of all that decides whether a paste runs."""
    fetched: Mapping[str, str] = web.fetched(paste.text) if web is not None else {}
    ingredients = [
        paste.text,
        fetched,
        (ROOT / "constraints.txt").read_text(encoding="utf-8"),
        sys.version_info[:2],
        {model.id: hub_mirror.digests(model.id) for model in models()},
        RUNNER.read_text(encoding="utf-8"),
    ]
    return hashlib.sha256(json.dumps(ingredients).encode()).hexdigest()


class Process:
    """A process that loads packages once and runs the pastes of each page in a fork.

    Args:
        preload: Import statements.
    """

    def __init__(self, preload: Iterable[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, RUNNER],
            env=shared_environment(ROOT / ".cache") | {"MPLBACKEND": "Agg"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._send(list(preload))

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def _send(self, message: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(message)}\n")
        self._process.stdin.flush()

    def run(
        self, pastes: list[Paste], limit: int = LIMIT, web: Web | None = None
    ) -> dict[Paste, Result]:
        """Runs pastes, in one fork and its forks."""
        redirected = web.redirected if web is not None else str
        with TemporaryDirectory() as name:
            folder = Path(name).resolve()
            for inner in FOLDERS:
                (folder / "files" / inner).mkdir(parents=True)
            answers, output = folder / "results", folder / "output"
            parts = {part for paste in pastes for part in paste.parts}
            self._send(
                {
                    "pastes": {
                        str(number): [redirected(part) for part in paste.parts]
                        for number, paste in enumerate(pastes)
                    },
                    "files": str(folder / "files"),
                    "environment": page_environment(folder / "files"),
                    "results": str(answers),
                    "output": str(output),
                    "limit": limit,
                    "patience": limit * (len(parts) + 1),
                }
            )
            assert self._process.stdout
            status = json.loads(self._process.stdout.readline())
            said = output.read_text("utf-8", "replace") if output.exists() else ""
            lines = answers.read_text("utf-8").splitlines() if answers.exists() else []
        results: dict[Paste, Result] = {}
        for answer in map(json.loads, lines):
            paste = pastes[int(answer["name"])]
            if paste not in results or answer["error"]:
                results[paste] = Result(answer["error"], answer["output"])
        end = "was stopped" if status is None else f"ended with status {status}"
        missing = Result(f"the process {end}: {said[-2000:]}")
        return {paste: results.get(paste, missing) for paste in pastes}


_BLOCKS = """
() => {
  for (const box of document.querySelectorAll("article details")) box.open = true;
  const source = (block) => block.querySelector("pre > code").textContent.trimEnd();
  const buttons = document.querySelectorAll("article button[data-md-type=copy]");
  const cells = [...document.querySelectorAll("article .cell")];
  return [...buttons].map((button) => {
    const block = button.closest(".highlight");
    const needs = block.dataset.needs?.split(" ") ?? [];
    const earlier = needs.map((number) => document.getElementById(`block-${number}`));
    return {
      cell: cells.indexOf(block) + 1,
      python: block.matches(".language-python, .language-py, .language-pycon"),
      parts: [...earlier, block].map(source),
    };
  });
}
"""


def copied(tab: Tab, url: str) -> list[Paste]:
    """Presses the copy button of each Python block on the page that is open.

    Args:
        tab: The page, with the right to read the clipboard.
        url: Its name.
    """
    blocks = tab.evaluate(_BLOCKS)
    buttons = tab.locator("article button[data-md-type=copy]")
    pastes = []
    for number, block in enumerate(blocks):
        if not block["python"]:
            continue
        tab.evaluate("navigator.clipboard.writeText('nothing')")
        buttons.nth(number).click()
        text = tab.evaluate("navigator.clipboard.readText()")
        # Parts are only for speed: what counts is the text.
        parts = tuple(block["parts"])
        whole = "\n\n".join(parts)
        if text.endswith(f"\n\n{whole}"):  # after lines that fetch files
            parts = (text.removesuffix(f"\n\n{whole}"), *parts)
        elif text != whole:
            parts = (text,)
        # A block that is no cell may stand in an output.
        block_name = f"cell {block['cell']}" if block["cell"] else f"button {number + 1}"
        pastes.append(Paste(f"{url or 'index'} {block_name}", parts))
    return pastes
