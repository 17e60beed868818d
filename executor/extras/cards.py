"""Draws the picture that other sites show beside a link to a page."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from executor.extras.built import BuiltPage
from executor.files import write_atomically

SIZE = (1200, 630)

_MARGIN = 80
_PAPER, _INK, _SOFT, _AMBER, _RULE = "#fbf9f4", "#24292f", "#5f6268", "#b35c00", "#e2dccf"
_TEXT_FONT = "source-serif-4-latin-wght-normal.woff2"


class Cards:
    """Draws cards, and keeps them for the next build.

    Args:
        root: The project's root.
        name: The site's name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._name = name
        self._font = root / "docs" / "assets" / "fonts" / _TEXT_FONT
        self._cache = root / ".cache" / "cards"
        self._version = hashlib.sha256(
            Path(__file__).read_bytes() + self._font.read_bytes()
        ).hexdigest()

    def card(self, page: BuiltPage) -> bytes:
        """Returns a page's card as a PNG file."""
        texts = (self._version, self._name, page.chapter, page.title, page.description)
        key = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        path = self._cache / f"{key[:32]}.png"
        if not path.exists():
            write_atomically(path, self._draw(page))
        return path.read_bytes()

    def _draw(self, page: BuiltPage) -> bytes:
        image = Image.new("RGB", SIZE, _PAPER)
        draw = ImageDraw.Draw(image)
        width, height = SIZE
        draw.rectangle((0, 0, width, 14), fill=_AMBER)
        _mark(draw, _MARGIN, height - 118, 48)
        draw.text(
            (_MARGIN + 68, height - 94), self._name, _SOFT, self._at(30, 500), anchor="lm"
        )
        draw.line((_MARGIN, height - 150, width - _MARGIN, height - 150), _RULE, 2)
        top = 92
        if page.chapter:
            draw.text((_MARGIN, top), page.chapter, _AMBER, self._at(32, 600))
        top += 56
        room = width - 2 * _MARGIN
        for size in (84, 72, 60, 52):
            font = self._at(size, 650)
            lines = _wrap(page.title, font, room)
            if len(lines) <= 2:
                break
        for line in lines[:3]:
            draw.text((_MARGIN, top), line, _INK, font)
            top += round(size * 1.12)
        top += 22
        font = self._at(34, 400)
        lines = _wrap(page.description, font, room)
        space = max(0, (height - 170 - top) // 46)
        if len(lines) > space:
            lines = lines[:space]
            lines[-1:] = [f"{line.rsplit(' ', 1)[0]} …" for line in lines[-1:]]
        for line in lines:
            draw.text((_MARGIN, top), line, _SOFT, font)
            top += 46
        buffer = io.BytesIO()
        image.quantize(32, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _at(self, size: int, weight: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.truetype(str(self._font), size)
        font.set_variation_by_axes([weight])
        return font


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _mark(draw: ImageDraw.ImageDraw, left: int, top: int, size: int) -> None:
    """Draws docs/assets/images/mark.svg."""
    unit = size / 64
    draw.rounded_rectangle((left, top, left + size, top + size), 10 * unit, _AMBER)
    for x0, y0, x1, y1 in ((15, 13, 49, 19), (15, 13, 21, 51), (15, 29, 41, 35)):
        draw.rectangle(
            (left + x0 * unit, top + y0 * unit, left + x1 * unit, top + y1 * unit),
            "#fffaf0",
        )
