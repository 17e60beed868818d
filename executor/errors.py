"""Errors that an author of a page sees."""

from __future__ import annotations


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
