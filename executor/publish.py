"""Makes notebooks of executed pages, for the site and for readers, and scripts."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

from executor.assemble import Program
from executor.cache import Entry
from executor.energy import watt_hours
from executor.errors import PageError
from executor.needs import needs
from executor.offers import NAMES, declared, fetch_code, fetched_by_blocks
from executor.values import Values

_TITLE = re.compile(r"^# .+$", re.MULTILINE)
FETCH = "fetch"
"""Tag of the cell of a download that fetches what the page reads."""
COLAB = "notebooks"
"""Folder of the site with the notebooks for Google Colab."""

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


RUNNING = (
    '!!! executor-running "Running…"\n\n'
    "    This page's code is running. The page loads again when its outputs are there.\n"
)


def failure(error: PageError) -> str:
    """Returns the block that shows on a page why it failed."""
    details = error.details.replace("```", "~~~")
    text = f"{error.place}: {error.message}" + (f"\n\n{details}" if details else "")
    body = "\n".join(f"    {line}" for line in f"```text\n{text}\n```".splitlines())
    return f'!!! failure "This page failed"\n\n{body}\n'


def site_notebook(
    program: Program,
    entry: Entry | None,
    values: Values,
    block: str,
    top: str = "",
    site_url: str = "",
) -> NotebookNode:
    """Returns the notebook that becomes a page of the site.

    Args:
        program: The page.
        entry: Its outputs, or None when there are none to show.
        values: What ``{{ … }}`` in its prose stands for.
        block: Markdown that goes to the end of the page when there are outputs, and
            below its title when there are none.
        top: Markdown that goes below the title in any case.
        site_url: Address of the published site, from which copied blocks fetch files.
    """
    notebook = _notebook(program, entry, values)
    meta = program.page.meta
    if meta and notebook.cells:
        front = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)
        if notebook.cells[0].cell_type == "markdown":
            notebook.cells[0].source = f"---\n{front}---\n{notebook.cells[0].source}"
        else:
            notebook.cells.insert(0, nbformat.v4.new_markdown_cell(f"---\n{front}---\n"))
    for cell, source in zip(
        [cell for cell in notebook.cells if cell.cell_type == "code"],
        program.code,
        strict=True,
    ):
        if entry is not None:
            cell.metadata["alt"] = list(source.cell.alt)
        cell.metadata["place"] = f"{program.page.path}:{source.cell.line}"
    if _number_blocks(notebook, program):
        top += _fetch_source(site_url)
    if top:
        _insert_below_title(notebook, nbformat.v4.new_markdown_cell(top))
    cell = nbformat.v4.new_markdown_cell(block)
    if entry is not None:
        notebook.cells.append(cell)
    else:
        _insert_below_title(notebook, cell)
    return _with_ids(notebook)


def download_notebook(
    program: Program, entry: Entry, values: Values, note: str, fetch: str = ""
) -> str:
    """Returns the notebook that readers download, as JSON: it needs nothing but packages.

    Args:
        program: The page.
        entry: Its outputs.
        values: What ``{{ … }}`` in its prose stands for.
        note: Markdown that goes to the start: where it is from and what to install.
        fetch: Code that fetches what the page reads, if it reads anything.
    """
    notebook = _notebook(program, entry, values)
    notebook.cells[:0] = _head(note, fetch)
    return str(nbformat.writes(_with_ids(notebook))) + "\n"


def colab_notebook(
    program: Program,
    entry: Entry,
    values: Values,
    note: str,
    pins: dict[str, str],
    fetch: str = "",
) -> str:
    """Returns the notebook for Google Colab: the download, after a cell that installs.

    Args:
        program: The page.
        entry: Its outputs.
        values: What ``{{ … }}`` in its prose stands for.
        note: Markdown that goes to the start.
        pins: The packages to install, with versions.
        fetch: Code that fetches what the page reads, if it reads anything.
    """
    notebook = nbformat.reads(
        download_notebook(program, entry, values, note, fetch), as_version=4
    )
    install = nbformat.v4.new_code_cell(
        "# The versions that made the outputs below. If Colab asks for it, restart the\n"
        "# session once this cell is done.\n"
        f"%pip install -q {' '.join(f'{name}=={pin}' for name, pin in pins.items())}"
    )
    if pins:
        notebook.cells.insert(1, install)
    return str(nbformat.writes(_with_ids(notebook))) + "\n"


def download_script(program: Program, values: Values, note: str, fetch: str = "") -> str:
    """Returns the script that readers download: the same code, prose as comments."""
    notebook = _notebook(program, None, values)
    notebook.cells[:0] = _head(note, fetch)
    text = str(jupytext.writes(notebook, fmt="py:percent"))
    return re.sub(r"\A# ---\n.*?^# ---\n+", "", text, flags=re.DOTALL | re.MULTILINE)


def _head(note: str, fetch: str) -> list[NotebookNode]:
    """Returns the cells that a download has before those of the page."""
    head = [nbformat.v4.new_markdown_cell(note)]
    if fetch:
        cell = nbformat.v4.new_code_cell(fetch.rstrip(), metadata={"tags": [FETCH]})
        head.append(cell)
    return head


def _notebook(program: Program, entry: Entry | None, values: Values) -> NotebookNode:
    notebook: NotebookNode = nbformat.v4.new_notebook(metadata={"kernelspec": _KERNEL})
    outputs = iter(entry.outputs if entry is not None else [])
    count = 0
    for cell in program.cells:
        if cell.cell.kind == "markdown":
            text = values.fill(
                cell.source, program.page.path, cell.cell.line, page=program.page.id
            )
            notebook.cells.append(nbformat.v4.new_markdown_cell(text))
            continue
        node = nbformat.v4.new_code_cell(cell.source)
        if entry is not None:
            if cell.source.strip():
                count += 1
                node.execution_count = count
            node.outputs = [nbformat.from_dict(output) for output in next(outputs)]
        notebook.cells.append(node)
    return notebook


def _insert_below_title(notebook: NotebookNode, cell: NotebookNode) -> None:
    first = notebook.cells[0] if notebook.cells else None
    match = _TITLE.search(first.source) if first is not None else None
    if first is None or match is None or first.cell_type != "markdown":
        has_front_matter = first is not None and first.source.startswith("---\n")
        notebook.cells.insert(int(has_front_matter), cell)
        return
    rest = nbformat.v4.new_markdown_cell(first.source[match.end() :])
    first.source = first.source[: match.end()]
    notebook.cells[1:1] = [cell, rest]


def _number_blocks(notebook: NotebookNode, program: Program) -> bool:
    """Numbers the code cells that readers see, and says what each is copied with.

    Returns:
        Whether any is copied with lines that fetch files.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    numbers: dict[int, int] = {}
    for position, cell in enumerate(cells):
        if cell.source.strip():
            numbers[position] = len(numbers) + 1
    needed_by = needs(program)
    fetched_by = fetched_by_blocks(program, needed_by)
    for position, number in numbers.items():
        fetched = fetched_by[position]
        blocks = [numbers[each] for each in needed_by[position] if each in numbers]
        cells[position].metadata["block"] = number
        cells[position].metadata["needs"] = blocks
        cells[position].metadata["fetch"] = fetched
        cells[position].metadata["label"] = _label(number, blocks, bool(fetched))
    return any(fetched_by[position] for position in numbers)


def _fetch_source(site_url: str) -> str:
    """Returns a hidden element with the code that fetches files, for copy.js."""
    code = html.escape(fetch_code([NAMES], site_url).rstrip()).replace("\n", "&#10;")
    return f'\n<div class="fetch-source" hidden data-text="{code}"></div>\n'


def _label(block: int, needed: list[int], fetches: bool) -> str:
    """Returns what stands above a block: its number, and what it is copied with."""
    runs: list[list[int]] = []
    for number in needed:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = []
    for run in runs:
        ends = [f'<a href="#block-{number}">{number}</a>' for number in run]
        parts += ["–".join([ends[0], ends[-1]])] if len(run) > 2 else ends
    along = []
    if parts:
        noun = "block" if len(needed) == 1 else "blocks"
        listed = " and ".join(
            [part for part in (", ".join(parts[:-1]), parts[-1]) if part]
        )
        along.append(f"{noun} {listed}")
    if fetches:
        along.append("lines that fetch its files")
    if not along:
        return f"Block {block}"
    return f"Block {block} <span>is copied with {', and '.join(along)}</span>"


def _with_ids(notebook: NotebookNode) -> NotebookNode:
    """Gives cells the same ids at every build; nbformat's are random."""
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"cell-{number}"
    return notebook


def tools(
    notebook: str, script: str, *, colab_url: str | None, source_url: str | None
) -> str:
    """Returns the row below a page's title: what a reader can take from the page.

    Args:
        notebook: Name of the notebook to download, beside the page.
        script: Name of the script to download, beside the page.
        colab_url: Where Google Colab opens the notebook, if it can.
        source_url: Where the page's source can be seen, if anywhere.
    """
    links = [
        f'<a class="take take--file" href="{notebook}" download>Download notebook</a>',
        f'<a class="take take--file" href="{script}" download>Download script</a>',
    ]
    if colab_url:
        links.append(f'<a class="take take--away" href="{colab_url}">Open in Colab</a>')
    if source_url:
        links.append(f'<a class="take take--away" href="{source_url}">View source</a>')
    items = "".join(f"<li>{link}</li>" for link in links)
    return f'<ul class="page-tools" data-search-exclude="">{items}</ul>\n'


def colab_url(repo_url: str | None, branch: str, folder: str) -> str | None:
    """Returns the address at which Google Colab opens a page's notebook, if there is one.

    Colab opens notebooks of GitHub repositories, gists and Google Drive, and of no other
    address. GitHub Pages are in no branch when a workflow deploys them, so the workflow
    also pushes the folder `COLAB` of the site to a branch of its own.

    Args:
        repo_url: The repository of the site.
        branch: The branch with the notebooks; none if it is empty.
        folder: The page's path without its suffix, such as ``vision/vit``.
    """
    match = re.fullmatch(
        r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", repo_url or ""
    )
    if match is None or not branch:
        return None
    path = f"{match[1]}/blob/{branch}/{folder}.ipynb"
    return f"https://colab.research.google.com/github/{path}"


def about_page(entry: Entry, files: Sequence[tuple[str, str]] = ()) -> str:
    """Returns the block at the end of a page that says where its outputs come from.

    Args:
        entry: The executed page.
        files: Rows on the files that it reads and makes, each a name and Markdown.
    """
    known = entry.provenance
    commit = known["commit"]
    packages = ", ".join(
        f"{name} {version}" for name, version in known["packages"].items()
    )
    none = "none from the Hub" if known.get("checkpoints_used") else "none loaded"
    rows = [
        ("Executed", f"{known['date']}, from the first cell to the last"),
        ("Commit", _commit(commit) if commit else "not under version control"),
        (
            "Packages",
            f"Python {known['python']}" + (f", {packages}" if packages else ""),
        ),
        (
            "Seed",
            ", ".join(f"`{seed}`" for seed in known["seeds"])
            or "no random numbers seeded",
        ),
        ("Weights", ", ".join(f"`{name}`" for name in known["weights"]) or none),
        ("Processor", f"{known['processor']}, {known['cores']} cores, one thread a page"),
        ("Time", f"{known['seconds']:.1f} s, imports preloaded"),
        ("Peak memory", f"{known['peak_memory'] / 1e6:,.0f} MB"),
        (
            "Energy",
            f"about {watt_hours(known['cpu_seconds'], known['watts']) * 1000:,.0f} mWh, "
            f"estimated from {known['cpu_seconds']:.1f} s of processor time at "
            f"{known['watts']:.1f} W a core",
        ),
    ]
    rows[5:5] = files
    table = "\n".join(f"    | {name} | {text} |" for name, text in rows)
    return (
        '??? info "How this page was made"\n\n'
        "    The build ran every cell of this page. What you see is what came out.\n\n"
        f"    | | |\n    |---|---|\n{table}\n"
    )


def _commit(commit: str) -> str:
    changed = commit.endswith("+")
    return f"`{commit.removesuffix('+')[:12]}`" + (
        " with local changes" if changed else ""
    )


def note_for_download(
    program: Program, entry: Entry, page_url: str, pins: dict[str, str], site_name: str
) -> str:
    """Returns what stands at the head of a download: origin and what to install."""
    known = entry.provenance
    install = " ".join(f"{name}=={version}" for name, version in pins.items())
    commit = f", commit {_commit(known['commit'])}" if known["commit"] else ""
    files = ", ".join(f"`{name}`" for name in declared(program))
    return (
        f'*From "{site_name}": <{page_url}>{commit}, executed {known["date"]}.*\n\n'
        "Needs Python 3.12 or newer"
        + (f" and `pip install {install}`" if install else "")
        + (f". The first cell fetches {files} from the site" if files else "")
    )
