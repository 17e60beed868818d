"""Downloaded notebooks run elsewhere: an empty folder, a new process, only packages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from site_checks import ROOT, Site

pytestmark = pytest.mark.site

# Each with a number in its output that its prose and the home page repeat.
PAGES = {
    "vision/vit/": r"(\d+\.\d%) of the held-out digits are right",
    "use/semantic-search/": r"MiniLM embeddings +\d+% +(\d+%)",
}

# The editable install makes the project importable everywhere: not in this kernel.
KERNEL = """
import sys

class Block:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("snippets", "executor", "hub_mirror"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Block)

from ipykernel.kernelapp import launch_new_instance

launch_new_instance()
"""
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
probe = nbformat.v4.new_code_cell('''
def probe():
    import os
    print(os.listdir())
    try:
        import snippets
    except ImportError as error:
        print(error)
probe()
del probe
''')
notebook.cells.insert(0, probe)
NotebookClient(notebook, kernel_name="elsewhere", timeout=300).execute()
nbformat.write(notebook, sys.argv[2])
"""
SPEC = {
    "argv": [sys.executable, "-I", "-c", KERNEL, "-f", "{connection_file}"],
    "display_name": "elsewhere",
    "language": "python",
}


def rerun(downloaded: Path, folder: Path) -> list[nbformat.NotebookNode]:
    """Run a notebook in an empty folder below ``folder``; return its cells."""
    empty, home, result = folder / "empty", folder / "home", folder / "result.ipynb"
    spec = folder / "kernels" / "elsewhere" / "kernel.json"
    for path in (empty, home, spec.parent):
        path.mkdir(parents=True)
    spec.write_text(json.dumps(SPEC), encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "JUPYTER_PATH": str(folder),
        "JUPYTER_PLATFORM_DIRS": "1",
        "HF_HOME": str(ROOT / ".cache" / "huggingface"),
        "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.run(
        [sys.executable, "-I", "-c", RUN, downloaded, result],
        cwd=empty,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return list(nbformat.read(result, as_version=4).cells)


def texts(cells: list[nbformat.NotebookNode], stream: str = "stdout") -> list[str]:
    """Return the texts that code cells printed or returned, one for each cell."""
    found = []
    for cell in cells:
        parts = [
            output.text if output.output_type == "stream" else output.data["text/plain"]
            for output in cell.get("outputs", [])
            if output.get("name", "stdout") == stream
            and (output.output_type == "stream" or set(output.data) == {"text/plain"})
        ]
        found += ["\n".join(line.rstrip() for line in "".join(parts).strip().split("\n"))]
    return [text for text in found if text]


@pytest.mark.parametrize("url", PAGES)
def test_a_download_gives_elsewhere_what_its_page_shows(
    url: str, site: Site, address: str, tmp_path: Path
) -> None:
    page = site.pages[url]
    name = next(name for name in page.downloads if name.endswith(".ipynb"))
    downloaded = tmp_path / name
    text = (site.file(url).parent / name).read_text("utf-8")
    # The server here stands in for the published site.
    text = text.replace(f"{site.base}files/", f"{address}files/")
    downloaded.write_text(text, encoding="utf-8")
    probe, *cells = rerun(downloaded, tmp_path)

    assert probe.outputs[0].text == "[]\nNo module named 'snippets'\n"
    printed = texts(cells)
    assert printed == texts(nbformat.read(downloaded, as_version=4).cells)
    blocks = page.content.select(".output:not(.output--error) > pre")
    assert printed == [block.get_text() for block in blocks]
    figures = sum(
        any(kind.startswith("image/") for kind in output.get("data", {}))
        for cell in cells
        for output in cell.get("outputs", [])
    )
    assert figures == len(page.content.select(".output-figure"))
    # tqdm's warning tells of a Jupyter without widgets, which is the reader's choice.
    warnings = re.findall(r"\w*Warning\b", "\n".join(texts(cells, "stderr")))
    assert set(warnings) <= {"TqdmWarning"}
    measured = re.search(PAGES[url], "\n".join(printed))
    assert measured, printed
    for place in (page, site.pages[""]):
        prose = [paragraph.get_text() for paragraph in place.content.find_all("p")]
        assert any(measured[1] in text for text in prose), f"{measured[1]} on {place.url}"
