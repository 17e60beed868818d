"""A small project that tests run as its authors do: in processes of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from textwrap import dedent

import psutil

import hub_mirror

ROOT = Path(__file__).resolve().parents[2]
# Every process that a project starts inherits this variable, with the project's folder.
_MARKER = "SMALL_SITE"
# What the real configuration says of these holds here too.
_KEPT = ("plugins", "markdown_extensions", "validation", "strict")
LOCK = "jinja2==3.1.6\nmarkupsafe==3.0.4\nnumpy==2.5.5\n"
CLAIMS = """\
title: Facts
order: 1
groups:
  - title: A group
    claims:
      - id: fact
        statement: Water is wet.
        as_of: 2021-09
        source: A book
        url: https://example.org/book
        verified: read
"""


MINILM = "sentence-transformers/all-MiniLM-L6-v2"


class SmallSite:
    """A project in a folder, with nothing but a home page and what a test adds."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.write("docs/index.md", "# Home\n\nWelcome.\n")
        self.write("snippets/__init__.py", '"""Snippets."""\n')
        self.write("constraints.txt", LOCK)
        # A copy of the weights would take longer than all else.
        weights = ROOT / ".cache" / "huggingface"
        hub_mirror.fill(weights, [MINILM])
        (self.root / ".cache").mkdir()
        (self.root / ".cache" / "huggingface").symlink_to(weights)
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COV_", "PYTEST_"))
        } | {
            _MARKER: str(self.root),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "NO_MKDOCS_2_WARNING": "1",
            "OMP_NUM_THREADS": "1",
        }

    def write(self, path: str, text: str) -> Path:
        """Write a file in one step, as editors do."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(dedent(text), encoding="utf-8")
        return new.replace(file)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text)
        self.write(path, text.replace(old, new))

    def page(self, uri: str, code: str, title: str = "Title", prose: str = "") -> Path:
        """Write a page with one cell of code."""
        markdown = f"# {title}\n\n{prose}".strip()
        comments = "\n".join(f"# {line}".rstrip() for line in markdown.splitlines())
        text = f"# %% [markdown]\n{comments}\n\n# %%\n{dedent(code)}"
        return self.write(f"docs/{uri}", text)

    def executor(
        self, *arguments: str, code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the executor's commands to its end."""
        return self._run("executor", arguments, code)

    def mkdocs(
        self, *arguments: str, code: int | None = 0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run("mkdocs", arguments, code, cwd)

    def _run(
        self,
        module: str,
        arguments: Iterable[str],
        code: int | None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=cwd or self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if code is not None:
            assert result.returncode == code, result.stdout + result.stderr
        return result

    def start(self, module: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-u", "-m", module, *arguments],
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Where tests run in the background, interrupts may be ignored.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )

    def processes(self) -> list[psutil.Process]:
        """Every living process that comes from this project, kernels among them."""
        return [process for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            return (
                process.environ().get(_MARKER) == str(self.root)
                and process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def leftovers(self) -> list[str]:
        """Names of the folders of pages that nobody removed."""
        return [path.name for path in self.temporary.glob("page-*")]

    def configure(self, nav: str = "", more: str = "") -> None:
        """Write mkdocs.yml after the real one, and what it needs."""
        real = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
        blocks = re.split(r"^(?=\w+:)", real, flags=re.MULTILINE)
        kept = [block for block in blocks if block.partition(":")[0] in _KEPT]
        assert len(kept) == len(_KEPT)
        self.write("data/claims/facts.yml", CLAIMS)
        head = f"""\
site_name: Small
site_url: http://127.0.0.1/
nav:
  - Home: index.md
{nav}  - Sources: report/sources.md
  - Freshness: report/freshness.md
  - Reference: reference/index.md
watch: [snippets, data]
hooks: [{ROOT / "executor" / "hook.py"}]
theme:
  name: material
  custom_dir: {ROOT / "overrides"}
  font: false
{more}
"""
        # dedent would look into the blocks.
        path = self.root / "mkdocs.yml"
        path.write_text(head + "".join(kept), encoding="utf-8")

    def html(self, url: str) -> str:
        return (self.root / "site" / url).read_text(encoding="utf-8")
