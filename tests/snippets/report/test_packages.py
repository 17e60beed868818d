"""What readers of the map of packages rely on."""

from importlib.metadata import PackageNotFoundError, version

import matplotlib.pyplot as plt
import pytest

from snippets.report import packages
from snippets.report.packages import (
    dependencies,
    draw_map,
    heights,
    needed_by,
    offered_by,
)

ABSENT = "a-package-that-nobody-has"
METADATA = [
    "torch>=2",
    "Hub_Client<3,>=1",
    "tomli; python_version < '3'",
    "timm; extra == 'vision'",
    "torch; extra == 'gpu'",
    "mytool; extra == 'gpu'",
    "pytest; extra == 'deepspeed-testing'",
    "ruff; extra == 'dev-torch'",
]


def told(package: str) -> list[str] | None:
    """Stand in for the metadata of the packages installed here."""
    if package == "bare":
        return None  # a package without a single requirement
    if package != "mytool":
        raise PackageNotFoundError(package)
    return METADATA


def test_needs_are_read_for_this_python_and_without_extras(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "requires", told)
    assert needed_by("mytool") == {"torch": ">=2", "hub-client": "<3,>=1"}
    assert needed_by("bare") == {}


def test_offers_leave_out_tools_for_developers_and_what_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "requires", told)
    assert offered_by("mytool") == {"timm"}


def test_nothing_is_made_up_about_a_package_that_is_not_installed() -> None:
    assert needed_by(ABSENT) is None
    assert offered_by(ABSENT) == set()
    assert dependencies([ABSENT, "torch"]) == {ABSENT: None, "torch": []}


def test_the_installed_packages_need_what_the_page_says() -> None:
    found = dependencies(["transformers", "tokenizers", "huggingface_hub", "torch"])
    assert found["transformers"] == ["tokenizers", "huggingface-hub"]
    assert "torch" in offered_by("transformers")
    assert version("transformers")


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="saw hf-xet twice, wanted each package once"):
        dependencies(["hf-xet", "torch", "hf_xet"])


def test_heights_put_each_package_above_what_it_needs() -> None:
    assert heights({"top": ["middle", "low"], "middle": ["low"], "low": []}) == {
        "top": 2,
        "middle": 1,
        "low": 0,
    }
    with pytest.raises(ValueError, match="saw a circle at 'a', wanted none"):
        heights({"a": ["b"], "b": ["a"]})


def test_the_map_has_a_dot_for_each_need_and_a_ring_for_each_offer() -> None:
    needs = {"top": ["low"], "low": []}
    figure = draw_map(needs, {"top": ["absent"]})
    (axes,) = figure.axes
    dots, rings = axes.collections
    assert [label.get_text() for label in axes.get_xticklabels()] == ["low", "absent"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["low", "top"]
    assert dots.get_offsets().tolist() == [[0, 1]]
    assert rings.get_offsets().tolist() == [[1, 1]]
    assert "not installed here" in [text.get_text() for text in axes.texts]
    plt.close(figure)


def test_the_map_of_packages_without_offers_has_no_rings() -> None:
    figure = draw_map({"top": ["low"], "low": []}, {})
    (axes,) = figure.axes
    assert len(axes.collections[1].get_offsets()) == 0
    assert not axes.texts
    plt.close(figure)
