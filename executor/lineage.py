"""Tells which page makes the checkpoints that another page uses, and who goes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from executor.errors import NotRunError, PageError
from executor.keys import Key
from executor.pages import Page


@dataclass(frozen=True, slots=True)
class Source:
    """Where a page gets a checkpoint from.

    Attributes:
        name: The checkpoint.
        maker: The page that saves it.
        key: What that page's outputs depend on, and therefore the checkpoint.
        digest: Of the checkpoint that is kept for this key, if one is.
    """

    name: str
    maker: Page
    key: Key
    digest: str | None = None


class Lineage:
    """Who makes what, among all pages.

    Args:
        pages: The pages.
        complete: Whether these are all; otherwise a page that could not be read may be
            the one that makes what is looked for.

    Attributes:
        makers: The page that saves each checkpoint.
        errors: By uri what is wrong with pages that use or save checkpoints.
        order: All pages, each after those whose checkpoints it uses.
    """

    def __init__(self, pages: Sequence[Page], complete: bool = True) -> None:
        self.makers: dict[str, Page] = {}
        self.errors: dict[str, PageError] = {}
        self.order: list[Page] = []
        for page in pages:
            for name in page.settings.saves:
                other = self.makers.setdefault(name, page)
                if other is not page:
                    self.errors[page.uri] = PageError(
                        page.path,
                        f"executor.saves names {name}, which {other.path} saves too; "
                        "give each checkpoint a name of its own",
                    )
        for page in pages:
            unknown = [n for n in page.settings.checkpoints if n not in self.makers]
            if unknown and page.uri not in self.errors:
                self.errors[page.uri] = self._unknown(page, unknown[0], complete)
        self._placed: set[str] = set()
        for page in pages:
            self._place(page, [])

    def makers_of(self, page: Page) -> dict[str, Page]:
        """Returns for each checkpoint that a page uses the page that saves it."""
        return {
            name: self.makers[name]
            for name in page.settings.checkpoints
            if name in self.makers
        }

    def _place(self, page: Page, users: list[Page]) -> None:
        """Appends a page to the order, after those that it depends on."""
        if page in users:
            self._note_cycle(users[users.index(page) :])
            return
        if page.uri in self._placed:
            return
        for maker in self.makers_of(page).values():
            self._place(maker, [*users, page])
        if page.uri not in self._placed:
            self._placed.add(page.uri)
            self.order.append(page)

    def _note_cycle(self, cycle: list[Page]) -> None:
        steps = [
            f"{user.path} uses a checkpoint of {maker.path}"
            for user, maker in zip(cycle, [*cycle[1:], cycle[0]], strict=True)
        ]
        first = cycle[0]
        self.errors[first.uri] = PageError(
            first.path,
            f"checkpoints go round in a circle, so that no page can run first: "
            f"{'; '.join(steps)}",
        )

    def _unknown(self, page: Page, name: str, complete: bool) -> PageError:
        if not complete:
            return NotRunError(
                page.path,
                "pages that cannot be read",
                f"no page that can be read saves the checkpoint {name}",
            )
        known = ", ".join(sorted(self.makers)) or "none"
        return PageError(
            page.path,
            f"executor.checkpoints names {name}, which no page saves; "
            f"those with executor.saves have: {known}",
        )
