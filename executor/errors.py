"""Errors that an author of a page sees."""

from __future__ import annotations

from collections.abc import Iterable


class PageError(Exception):
    """Something is wrong with a page; the message names the place and the remedy.

    Args:
        place: Where it is wrong, e.g. ``docs/vision/vit.py:42``.
        message: What is wrong and what to do about it.
        details: Further lines, such as the end of a traceback.
    """

    def __init__(self, place: str, message: str, details: str = "") -> None:
        self.place = place
        self.message = message
        self.details = details
        super().__init__(place, message, details)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        if self.details:
            text += "\n" + "\n".join(f"    {line}" for line in self.details.splitlines())
        return text


class NotRunError(PageError):
    """A page did not run because another one failed, which has an error of its own.

    Args:
        place: The page that did not run.
        cause: The page that failed, e.g. ``docs/vision/vit.py``.
        why: What the one needs of the other.
    """

    def __init__(self, place: str, cause: str, why: str) -> None:
        super().__init__(place, f"not run: {why}")
        self.cause = cause


def reports(errors: Iterable[PageError]) -> list[str]:
    """Returns errors as texts. Pages that only suffer from another's share one line."""
    texts = []
    suffering: dict[str, list[str]] = {}
    for error in errors:
        if isinstance(error, NotRunError):
            suffering.setdefault(error.cause, []).append(error.place)
        else:
            texts.append(str(error))
    texts += [
        f"{', '.join(pages)}: not run, because of {cause}"
        for cause, pages in suffering.items()
    ]
    return texts
