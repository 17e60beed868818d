"""A small project to test the executor's steps on, and kernels to run its pages in."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from executor.assemble import Program, assemble
from executor.environment import shared_environment
from executor.execute import Execution, execute
from executor.kernels import ForkedKernels, Kernels, SpawnedKernels, can_fork
from executor.keys import Key, key_of
from executor.packages import Packages
from executor.pages import Page, read_page
from executor.preload import preload_statements

LOCK = """\
jinja2==3.1.6
markupsafe==3.0.4
numpy==2.5.5
pandas==3.1.1
python-dateutil==4.0.0
six==1.17.0
torch==2.14.0
transformers==5.23.0
"""


class Folder:
    """A project in a temporary folder; pages and modules are written inline."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.docs = root / "docs"
        self.docs.mkdir()
        self.write("snippets/__init__.py", '"""Snippets."""\n')
        self.lock = self.write("constraints.txt", LOCK)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def page(self, text: str, uri: str = "chapter/page.py") -> Path:
        return self.write(f"docs/{uri}", dedent(text).lstrip("\n"))

    def snippet(self, text: str, name: str = "chapter.code") -> Path:
        *packages, _ = parts = name.split(".")
        for depth in range(len(packages)):
            folder = "/".join(["snippets", *packages[: depth + 1]])
            self.write(f"{folder}/__init__.py", '"""A chapter."""\n')
        return self.write(f"snippets/{'/'.join(parts)}.py", dedent(text).lstrip("\n"))

    def read(self, text: str, uri: str = "chapter/page.py") -> Page:
        return read_page(self.root, self.page(text, uri))

    def program(self, text: str, uri: str = "chapter/page.py") -> Program:
        return assemble(self.root, self.read(text, uri))

    def key(self, text: str, uri: str = "chapter/page.py") -> Key:
        return key_of(self.root, self.program(text, uri), Packages(self.lock))


@pytest.fixture
def project(tmp_path: Path) -> Folder:
    root = tmp_path / "project"
    root.mkdir()
    return Folder(root)


# What pages of the tests import, so that the zygote loads it once.
PRELOADED = """\
import numpy
import torch
import pandas
import datasets
from matplotlib import pyplot
from transformers import BertConfig, BertModel
"""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return shared_environment(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def zygote(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForkedKernels]:
    if not can_fork():
        pytest.skip("kernels are forked on Linux only")
    root = tmp_path_factory.mktemp("preloaded")
    (root / "docs").mkdir()
    folder = Folder.__new__(Folder)
    folder.root = root
    program = folder.program("# %%\n" + PRELOADED)
    kernels = ForkedKernels(environment, preload_statements([program]))
    outcome = kernels.zygote.ready.result(300)
    assert not [problem for problem in outcome.values() if problem]
    yield kernels
    kernels.close()


@pytest.fixture(params=["forked", "spawned"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "spawned":
        return SpawnedKernels()
    forked: ForkedKernels = request.getfixturevalue("zygote")
    return forked


Run = Callable[..., Execution]


@pytest.fixture
def run(project: Folder, kernels: Kernels, environment: dict[str, str]) -> Run:
    """Runs a page from its text."""

    def run(text: str) -> Execution:
        program = project.program(text)
        return asyncio.run(execute(project.root, program, kernels, environment))

    return run
