"""Makes notebooks of executed pages, for the site and for readers, and scripts."""

from __future__ import annotations

import re

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

from executor.assemble import Program
from executor.cache import Entry
from executor.energy import watt_hours
from executor.errors import PageError
from executor.values import Values

_TITLE = re.compile(r"^# .+$", re.MULTILINE)
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
    program: Program, entry: Entry | None, values: Values, block: str
) -> NotebookNode:
    """Returns the notebook that becomes a page of the site.

    Args:
        program: The page.
        entry: Its outputs, or None when there are none to show.
        values: What ``{{ … }}`` in its prose stands for.
        block: Markdown that goes to the end of the page when there are outputs, and
            below its title when there are none.
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
    cell = nbformat.v4.new_markdown_cell(block)
    if entry is not None:
        notebook.cells.append(cell)
    else:
        _insert_below_title(notebook, cell)
    return _with_ids(notebook)


def download_notebook(program: Program, entry: Entry, values: Values, note: str) -> str:
    """Returns the notebook that readers download, as JSON: it needs nothing but packages.

    Args:
        program: The page.
        entry: Its outputs.
        values: What ``{{ … }}`` in its prose stands for.
        note: Markdown that goes to the start: where it is from and what to install.
    """
    notebook = _notebook(program, entry, values)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(note))
    return str(nbformat.writes(_with_ids(notebook))) + "\n"


def download_script(program: Program, values: Values, note: str) -> str:
    """Returns the script that readers download: the same code, prose as comments."""
    notebook = _notebook(program, None, values)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(note))
    text = str(jupytext.writes(notebook, fmt="py:percent"))
    return re.sub(r"\A# ---\n.*?^# ---\n+", "", text, flags=re.DOTALL | re.MULTILINE)


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
            count += bool(cell.source.strip())
            node.execution_count = count or None
            node.outputs = [nbformat.from_dict(output) for output in next(outputs)]
        notebook.cells.append(node)
    return notebook


def _insert_below_title(notebook: NotebookNode, cell: NotebookNode) -> None:
    first = notebook.cells[0] if notebook.cells else None
    match = _TITLE.search(first.source) if first is not None else None
    if first is None or match is None or first.cell_type != "markdown":
        notebook.cells.insert(0, cell)
        return
    rest = nbformat.v4.new_markdown_cell(first.source[match.end() :])
    first.source = first.source[: match.end()]
    notebook.cells[1:1] = [cell, rest]


def _with_ids(notebook: NotebookNode) -> NotebookNode:
    """Gives cells the same ids at every build; nbformat's are random."""
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"cell-{number}"
    return notebook


def about_page(entry: Entry, source_url: str | None, notebook: str, script: str) -> str:
    """Returns the block at the end of a page that says where its outputs come from.

    Args:
        entry: The executed page.
        source_url: Where the page's source can be seen, if anywhere.
        notebook: Name of the notebook to download, beside the page.
        script: Name of the script to download, beside the page.
    """
    known = entry.provenance
    commit = known["commit"]
    packages = ", ".join(
        f"{name} {version}" for name, version in known["packages"].items()
    )
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
        ("Weights", ", ".join(f"`{name}`" for name in known["weights"]) or "none loaded"),
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
    if known["data"]:
        rows.insert(5, ("Data", ", ".join(f"`{name}`" for name in known["data"])))
    links = [
        f'<a href="{notebook}" download>Download the notebook</a>',
        f'<a href="{script}" download>Download the script</a>',
    ]
    if source_url:
        links.append(f'<a href="{source_url}">View the source</a>')
    table = "\n".join(f"    | {name} | {text} |" for name, text in rows)
    return (
        '??? info "How this page was made"\n\n'
        "    The build ran every cell of this page. What you see is what came out.\n\n"
        f"    | | |\n    |---|---|\n{table}\n\n"
        f"    {' · '.join(links)}\n"
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
    data = ", ".join(f"`{name}`" for name in program.page.settings.data)
    return (
        f'*From "{site_name}": <{page_url}>{commit}, executed {known["date"]}.*\n\n'
        "Needs Python 3.12 or newer"
        + (f" and `pip install {install}`" if install else "")
        + (f". Reads {data} of the site's repository" if data else "")
    )
