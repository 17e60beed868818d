"""Lists of a chapter's pages."""

import pytest

from executor.contents import fill

NAV = [
    {"Home": "index.md"},
    {"Vision": ["vision/swin.py", {"Video": [{"MViT": "vision/video/mvit.py"}]}]},
    {"Visions of others": "visions/a.md"},
]


def test_pages_stand_in_the_order_of_the_navigation() -> None:
    text = fill("Above\n\n<!-- pages: vision -->\n\nBelow", "index.md", NAV, str.upper)
    assert text == (
        "Above\n\n"
        "- [VISION/SWIN.PY](vision/swin.py)\n"
        "- [VISION/VIDEO/MVIT.PY](vision/video/mvit.py)\n\n"
        "Below"
    )


def test_links_start_from_the_page() -> None:
    text = fill("<!-- pages: visions -->", "vision/index.md", NAV, str)
    assert text == "- [visions/a.md](../visions/a.md)"


def test_a_chapter_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no page of the navigation is in docs/sound/"):
        fill("<!-- pages: sound -->", "index.md", NAV, str)
    with pytest.raises(ValueError, match="docs/sound/"):
        fill("<!-- pages: sound -->", "index.md", None, str)


def test_other_prose_stays_as_it_is() -> None:
    assert fill("See <!-- pages: vision --> there", "index.md", NAV, str) == (
        "See <!-- pages: vision --> there"
    )
