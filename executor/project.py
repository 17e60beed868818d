"""The project's pages as they stand: which are cached, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from executor.assemble import Program, assemble
from executor.cache import Cache, Entry
from executor.checkpoints import digest_of
from executor.errors import NotRunError, PageError
from executor.keys import Key, changes, key_of
from executor.lineage import Lineage, Source
from executor.packages import Packages
from executor.pages import Page, find_pages, page_id, read_page


@dataclass(frozen=True, slots=True)
class State:
    """A page, what it depends on, and what is known of its outputs.

    Attributes:
        program: The page's self-contained program.
        key: What its outputs depend on.
        entry: The outputs for this key, or None when the page must run.
        sources: Where it gets the checkpoints that it uses.
    """

    program: Program
    key: Key
    entry: Entry | None
    sources: tuple[Source, ...] = ()

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
        packages = Packages(
            self.root / "constraints.txt", self.root / ".cache" / "packages.json"
        )
        pages, errors = self._pages()
        lineage = Lineage(list(pages.values()), complete=not errors)
        errors |= lineage.errors
        states: dict[str, State] = {}
        for page in lineage.order:
            if page.uri in errors:
                continue
            try:
                sources = _sources(page, lineage, states, errors)
                states[page.uri] = self._state(page, packages, sources)
            except PageError as error:
                errors[page.uri] = error
        return (
            [states[uri] for uri in pages if uri in states],
            {uri: errors[uri] for uri in sorted(errors)},
        )

    def _pages(self) -> tuple[dict[str, Page], dict[str, PageError]]:
        pages: dict[str, Page] = {}
        errors: dict[str, PageError] = {}
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
                pages[uri] = read_page(self.root, path)
            except PageError as error:
                errors[uri] = error
        return pages, errors

    def _state(
        self, page: Page, packages: Packages, sources: tuple[Source, ...]
    ) -> State:
        program = assemble(self.root, page)
        used = {source.name: source.key.digest for source in sources}
        key = key_of(self.root, program, packages, used)
        entry = self.cache.load(page.id, key.digest)
        if entry is not None and self._faults(entry, sources):
            entry = None
        return State(program, key, entry, sources)

    def _faults(self, entry: Entry, sources: tuple[Source, ...]) -> list[str]:
        """Says in words why an entry with the right key is not to be shown."""
        faults = [
            f"its stored checkpoint {name} is {problem}"
            for name, problem in self.cache.damage(entry).items()
        ]
        used = entry.provenance.get("checkpoints_used", {})
        faults += [
            f"{source.maker.uri} ran again and made another checkpoint {source.name}"
            for source in sources
            if source.digest and used.get(source.name, {}).get("digest") != source.digest
        ]
        return faults

    def why_stale(self, state: State) -> list[str]:
        """Says in words why a page must run."""
        same = self.cache.load(state.page.id, state.key.digest)
        if same is not None:
            return self._faults(same, state.sources)
        latest = self.cache.latest(state.page.id)
        if latest is None:
            return ["never run"]
        reasons = changes(latest.parts, state.key.parts)
        for source in state.sources:
            plain = f"checkpoint {source.name} changed"
            before = latest.parts.get("checkpoints", {}).get(source.name, "")
            made = self.cache.load(source.maker.id, before) if before else None
            if plain in reasons and made is not None:
                why = "; ".join(changes(made.parts, source.key.parts))
                place = reasons.index(plain)
                reasons[place] = f"checkpoint {source.name} of {source.maker.uri}: {why}"
        return reasons


def _sources(
    page: Page,
    lineage: Lineage,
    states: dict[str, State],
    errors: dict[str, PageError],
) -> tuple[Source, ...]:
    """Finds the checkpoints of a page; the pages that make them have their states."""
    sources = []
    for name, maker in lineage.makers_of(page).items():
        state = states.get(maker.uri)
        if state is None:
            error = errors.get(maker.uri)
            cause = error.cause if isinstance(error, NotRunError) else maker.path
            raise NotRunError(
                page.path,
                cause,
                f"it uses the checkpoint {name} of {maker.path}, which is not in order",
            )
        digest = None
        if state.entry is not None and name in state.entry.checkpoints:
            digest = digest_of(state.entry.checkpoints[name])
        sources.append(Source(name, maker, state.key, digest))
    return tuple(sources)
