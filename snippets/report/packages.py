"""What the installed packages say about one another.

Source: the metadata that every installed package carries, read with importlib.metadata
(core metadata, `Requires-Dist`). Nothing is looked up on a network. Of a package that is
not installed only its name is known, so it never gets an arrow of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Extras for those who work on a package, not with it.
DEVELOPMENT = ("dev", "test", "docs", "quality", "benchmarks", "all")


def needed_by(package: str) -> dict[str, str] | None:
    """Read what a package needs here, on this machine and this Python.

    Args:
        package: Name of the package.

    Returns:
        The versions that are accepted, by the name of the package needed; empty text for
        any version. None if the package is not installed.
    """
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        return None
    wanted = [Requirement(line) for line in lines]
    return {
        canonicalize_name(item.name): str(item.specifier)
        for item in wanted
        if item.marker is None or item.marker.evaluate({"extra": ""})
    }


def offered_by(package: str) -> set[str]:
    """Read what a package can use if it is there, but does not need.

    Args:
        package: Name of the package.

    Returns:
        Names in the extras of the package, without the extras for its developers; empty
        if it is not installed.
    """
    needed = needed_by(package)
    if needed is None:
        return set()
    found: set[str] = set()
    for line in requires(package) or []:
        item = Requirement(line)
        name = canonicalize_name(item.name)
        extra = str(item.marker or "").partition("extra == ")[2].strip('"')
        working = any(word in extra for word in DEVELOPMENT)
        if extra and not working and name not in needed:
            found.add(name)
    return found - {canonicalize_name(package)}


def dependencies(packages: Sequence[str]) -> dict[str, list[str] | None]:
    """Read who needs whom among some packages.

    Args:
        packages: Names of packages, installed or not.

    Returns:
        For each package those of `packages` that it needs, or None if it is not
        installed, which is not the same as needing nothing.

    Raises:
        ValueError: If a name stands twice.
    """
    names = [canonicalize_name(name) for name in packages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"saw {', '.join(twice)} twice, wanted each package once")
    found: dict[str, list[str] | None] = {}
    for name in names:
        needed = needed_by(name)
        found[name] = None if needed is None else [n for n in names if n in needed]
    return found


def heights(edges: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Find the level of each package: 0 needs nothing, others stand on what they need.

    Args:
        edges: For each package what it needs, itself a key of `edges`.

    Returns:
        The level of each package, in the order of `edges`.

    Raises:
        ValueError: If packages need each other in a circle.
    """
    found: dict[str, int] = {}

    def visit(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"saw a circle at {name!r}, wanted none")
        if name not in found:
            below = [visit(other, (*above, name)) for other in edges[name]]
            found[name] = max(below, default=-1) + 1
        return found[name]

    return {name: visit(name, ()) for name in edges}


def draw_map(
    needs: Mapping[str, Sequence[str]], offers: Mapping[str, Iterable[str]]
) -> Figure:
    """Draw who needs whom as dots in a grid, each package above what it needs.

    Args:
        needs: For each package what it needs, itself a key of `needs`.
        offers: For each package what it can use; names outside `needs` are not installed.

    Returns:
        The figure: a row for each package of `needs`, a column for each package needed or
        used, a dot for "needs" and a ring for "can use".
    """
    levels = heights(needs)
    rows = sorted(needs, key=lambda name: levels[name])
    used = {other for name in needs for other in (*needs[name], *offers.get(name, ()))}
    absent = sorted(used - set(needs))
    columns = [name for name in rows if name in used] + absent
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for kind, edges, style in (
        ("needs", needs, {"color": "C0"}),
        ("can use", offers, {"facecolor": "none", "edgecolor": "C1", "linewidth": 2}),
    ):
        points = [
            (columns.index(other), rows.index(name))
            for name in rows
            for other in edges.get(name, ())
        ]
        x, y = zip(*points, strict=True) if points else ((), ())
        axes.scatter(x, y, s=120, label=kind, zorder=2, **style)
    if absent:
        axes.axvline(len(columns) - len(absent) - 0.5, linestyle="--", linewidth=1)
        axes.text(len(columns) - 0.6, -0.4, "not installed here", ha="right", va="bottom")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="left")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.xaxis.tick_top()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
