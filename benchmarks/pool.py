"""Executes pages with nbclient, several at once: ``pool.py JOBS FOLDER PAGE...``.

This is the least that running notebooks takes without a site around them: each page gets
a new kernel, nothing is cached and nothing is rendered.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient


def execute(page: str, folder: str) -> None:
    """Runs one page and writes the executed notebook into a folder."""
    notebook = jupytext.read(page, fmt="py:percent")
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    nbformat.write(notebook, Path(folder) / f"{Path(page).stem}.ipynb")


if __name__ == "__main__":
    jobs, target, *pages = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(int(jobs)) as pool:
        list(pool.map(partial(execute, folder=target), pages))
