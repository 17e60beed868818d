"""The project's pages as they stand: which are cached, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.assemble import Program, assemble
from executor.cache import Cache, Entry
from executor.errors import PageError
from executor.keys import Key, changes, key_of
from executor.packages import Packages
from executor.pages import Page, find_pages, page_id, read_page


@dataclass(frozen=True, slots=True)
class State:
    """A page, what it depends on, and what is known of its outputs.

    Attributes:
        program: The page's self-contained program.
        key: What its outputs depend on.
        entry: The outputs for this key, or None when the page must run.
    """

    program: Program
    key: Key
    entry: Entry | None

    @property
    def page(self) -> Page:
        """The page itself."""
        return self.program.page


class Project:
    """A folder with docs/, snippets/ and constraints.txt.

    Args:
        root: The folder.
        cache: Folder of executed pages; by default ``.cache/executor`` below the root.
    """

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root = root.resolve()
        self.docs = self.root / "docs"
        self.cache = Cache(cache or self.root / ".cache" / "executor")

    def states(self) -> tuple[list[State], dict[str, PageError]]:
        """Reads every page. Returns states, and by uri what is wrong with the others."""
        states: list[State] = []
        errors: dict[str, PageError] = {}
        packages = Packages(
            self.root / "constraints.txt", self.root / ".cache" / "packages.json"
        )
        named: dict[str, str] = {}
        for path in find_pages(self.docs):
            uri = path.relative_to(self.docs).as_posix()
            try:
                other = named.setdefault(page_id(uri), uri)
                if other != uri:
                    raise PageError(
                        f"docs/{uri}",
                        f"in bound values its name is {page_id(uri)}, which is that of "
                        f"docs/{other} too; rename one of the two",
                    )
                states.append(self.state(path, packages))
            except PageError as error:
                errors[uri] = error
        return states, errors

    def state(self, path: Path, packages: Packages) -> State:
        """Reads one page.

        Raises:
            PageError: If the page or what it imports is not in order.
        """
        program = assemble(self.root, read_page(self.root, path))
        key = key_of(self.root, program, packages)
        return State(program, key, self.cache.load(program.page.id, key.digest))

    def why_stale(self, state: State) -> list[str]:
        """Says in words why a page must run."""
        latest = self.cache.latest(state.page.id)
        if latest is None:
            return ["never run"]
        return changes(latest.parts, state.key.parts)
