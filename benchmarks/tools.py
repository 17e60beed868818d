"""The tools that are compared: each a project folder and a command that builds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import measure
from benchmarks.notebooks import Notebooks, shows

CHECKOUT = Path(__file__).resolve().parent.parent
_HERE = Path(__file__).resolve().parent

OURS = "ours"
JUPYTER = "mkdocs-jupyter"
MYST = "myst-nb"
POOL = "pool"
FLOOR = "markdown"
TITLES = {
    OURS: "This site",
    JUPYTER: "mkdocs-jupyter",
    MYST: "MyST-NB",
    POOL: "nbclient pool",
    FLOOR: "Markdown only",
}

# A ledger of outside facts must hold one.
_CLAIMS = """\
title: Benchmark
order: 1
groups:
  - title: Benchmark
    claims:
      - id: two-is-even
        statement: Two is even.
        as_of: 2026-11-21
        source: arithmetic
        url: https://example.org
        verified: read
"""
_SPHINX = """\
project = "Benchmark"
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
"""


@dataclass
class Tool:
    """A tool with a project of its own.

    Attributes:
        key: Its short name.
        pages: The project's pages.
        command: What builds the project, run in its folder.
        environment: The command's environment variables.
        caches: What a cold build must not find, relative to the folder.
        built: Where page NAME ends up, relative to the folder.
        caching: Whether it keeps results from one run to the next.
    """

    key: str
    pages: Notebooks
    command: list[str]
    environment: dict[str, str]
    caches: tuple[str, ...]
    built: str
    caching: bool = True

    def clean(self) -> None:
        """Deletes what earlier runs left."""
        for name in self.caches:
            path = self.pages.root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def build(self) -> measure.Cost:
        """Runs the command once."""
        root = self.pages.root
        log = root.parent / f"{root.name}.log"
        return measure.run(self.command, root, self.environment, log)

    def is_right(self, expected: dict[str, str]) -> bool:
        """Tells whether each built page shows what is expected of it."""
        return all(
            shows(self.pages.root / self.built.replace("NAME", name), text)
            for name, text in expected.items()
        )


def base_environment(work: Path) -> dict[str, str]:
    """Returns the environment that every tool starts from: quiet, one thread a process.

    Matplotlib's list of fonts, which takes seconds to make, is shared by all.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "JUPYTER", "IPYTHON", "MPL", "HF_", "SITE_"))
    }
    return environment | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(work / "home" / "huggingface"),
        "MPLCONFIGDIR": str(work / "home" / "matplotlib"),
        "IPYTHONDIR": str(work / "home" / "ipython"),
        "NO_MKDOCS_2_WARNING": "1",
        "TQDM_DISABLE": "1",
    }


def ours(work: Path, count: int, *, torch: bool = True, small: bool = False) -> Tool:
    """Sets up a project that is built as this site is: its mkdocs.yml, its hook."""
    pages = Notebooks(work / OURS, count, torch, small)
    pages.write()
    root = pages.root
    _configure(
        root,
        [f"pages/{name}.py" for name in pages.names()],
        "reference/index.md",  # the hook adds the rest
        hooks=[str(CHECKOUT / "executor" / "hook.py")],
    )
    shutil.copy(CHECKOUT / "constraints.txt", root)
    ledger = root / "data" / "claims" / "claims.yml"
    ledger.parent.mkdir(parents=True)
    ledger.write_text(_CLAIMS, encoding="utf-8")
    caches = ("executor", "render", "pages", "templates", "packages.json", "ipython")
    return Tool(
        OURS,
        pages,
        [sys.executable, "-m", "mkdocs", "build"],
        base_environment(work),
        ("site", *(f".cache/{name}" for name in caches)),
        "site/pages/NAME/index.html",
    )


def markdown_only(work: Path, source: Tool) -> Tool:
    """Sets up the site of ``source`` with notebooks replaced by their Markdown.

    Builds ``source`` once, since only then its Markdown exists. Everything else is the
    same: configuration, theme, plugins, reference pages, figures.
    """
    root = work / FLOOR
    pages = Notebooks(root, source.pages.count, source.pages.torch)
    origin = source.pages.root
    exported = work / "exported"
    config = origin / "mkdocs.yml"
    text = config.read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    settings["hooks"].append(str(_HERE / "export.py"))
    settings["extra"] = {"export": str(exported)}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    source.build()
    config.write_text(text, encoding="utf-8")
    shutil.copytree(exported, root / "docs")
    _copy_assets(root)
    for name in pages.names():
        built = origin / "site" / "pages" / name
        for path in built.iterdir():
            if path.suffix in (".svg", ".png"):
                target = root / "docs" / "pages" / name / path.name
                target.parent.mkdir(exist_ok=True)
                shutil.copy(path, target)
    shutil.copytree(origin / "snippets", root / "snippets")
    reference = (root / "docs" / "reference").rglob("*.md")
    _configure(
        root,
        [f"pages/{name}.md" for name in pages.names()],
        sorted(path.relative_to(root / "docs").as_posix() for path in reference),
        hooks=[],
    )
    return Tool(
        FLOOR,
        pages,
        source.command,
        source.environment,
        ("site",),
        source.built,
        caching=False,
    )


def mkdocs_jupyter(work: Path, count: int) -> Tool:
    """Sets up a project for mkdocs-jupyter's own execution, its cache on."""
    pages = Notebooks(work / JUPYTER, count)
    pages.write()
    root = pages.root
    settings = {
        "site_name": "Benchmark",
        "theme": "material",
        "plugins": [
            "search",
            {"mkdocs-jupyter": {"include": ["*.py"], "execute": True}},
        ],
    }
    (root / "mkdocs.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return Tool(
        JUPYTER,
        pages,
        [sys.executable, "-m", "mkdocs", "build"],
        base_environment(work) | {"PYTHONPATH": str(root)},
        ("site", ".cache"),
        "site/pages/NAME/index.html",
    )


def myst(work: Path, count: int, jobs: int) -> Tool:
    """Sets up a project for MyST-NB, in an environment of its own."""
    pages = Notebooks(work / MYST, count)
    pages.write()
    root = pages.root
    docs = root / "docs"
    listing = "\n".join(f"pages/{name}" for name in pages.names())
    (docs / "index.md").write_text(
        f"# Benchmark\n\n```{{toctree}}\n{listing}\n```\n", encoding="utf-8"
    )
    (docs / "conf.py").write_text(_SPHINX, encoding="utf-8")
    python = _install(work / "environment")
    return Tool(
        MYST,
        pages,
        [str(python), "-m", "sphinx", "-j", str(jobs), "-b", "html", "docs", "site"],
        base_environment(work) | {"PYTHONPATH": str(root)},
        ("site", ".jupyter_cache"),
        "site/pages/NAME.html",
    )


def pool(work: Path, count: int, jobs: int) -> Tool:
    """Sets up a project whose pages nbclient executes, and nothing more."""
    pages = Notebooks(work / POOL, count)
    pages.write()
    return Tool(
        POOL,
        pages,
        [
            *(sys.executable, str(_HERE / "pool.py"), str(jobs), "executed"),
            *(str(pages.path(name)) for name in pages.names()),
        ],
        base_environment(work) | {"PYTHONPATH": str(pages.root)},
        ("executed",),
        "executed/NAME.ipynb",
        caching=False,
    )


def _configure(
    root: Path, pages: list[str], reference: str | list[str], hooks: list[str]
) -> None:
    """Writes a mkdocs.yml that takes over the site's own, but for pages and paths."""
    _copy_assets(root)
    settings = {
        # So that theme, plugins and extensions are those of the site itself.
        "INHERIT": str(CHECKOUT / "mkdocs.yml"),
        "hooks": hooks,
        "watch": [],
        "theme": {"custom_dir": str(CHECKOUT / "overrides")},
        "nav": [
            {"Home": "index.md"},
            {"Pages": pages},
            {"Report": ["report/sources.md", "report/freshness.md"]},
            {"Reference": reference},
        ],
    }
    (root / "mkdocs.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def _copy_assets(root: Path) -> None:
    target = root / "docs" / "assets"
    if not target.exists():
        shutil.copytree(CHECKOUT / "docs" / "assets", target)


def _install(folder: Path) -> Path:
    """Makes an environment with MyST-NB that also finds what this one holds."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "-qq", "--no-input"]
    subprocess.run(
        [
            *(*install, "--disable-pip-version-check"),
            *("-r", str(_HERE / "requirements.txt")),
            *("-c", str(CHECKOUT / "constraints.txt")),
        ],
        check=True,
    )
    # Written last, and read last: torch and the like come from here, all else from there.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    path = packages / "of-the-site.pth"
    path.write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return python
