"""What readers of the page on vision families rely on."""

from datetime import date

import pytest

from snippets.report.families import (
    Family,
    count_parameters,
    model_type_of,
    torchvision_name_of,
)

MAE = Family("MAE", "self-supervision", "2111.06377", ("ViT-MAE",))


def test_the_month_comes_from_the_arxiv_number() -> None:
    assert MAE.published == date(2021, 11, 1)


@pytest.mark.parametrize(
    ("name", "model_type"),
    [("ViT", "vit"), ("ConvNeXT", "convnext"), ("Mask R-CNN", ""), ("MViT", "")],
)
def test_a_family_is_found_by_its_whole_name(name: str, model_type: str) -> None:
    assert model_type_of(Family(name, "", "2001.00001")) == model_type


def test_other_names_count() -> None:
    assert model_type_of(MAE) == "vit_mae"


@pytest.mark.parametrize(
    ("name", "found"),
    [("Mask R-CNN", "maskrcnn_resnet50_fpn"), ("MViT", "mvit_v1_b"), ("SETR", "")],
)
def test_torchvision_has_what_transformers_has_not(name: str, found: str) -> None:
    assert torchvision_name_of(Family(name, "", "2001.00001")) == found


def test_sizes_are_those_that_the_libraries_document() -> None:
    assert round(count_parameters("vit") / 1e6) == 86
    assert round(count_parameters("detr") / 1e6) == 41
    assert count_parameters(torchvision_name="mvit_v1_b") == 36_610_672


def test_exactly_one_library_is_asked() -> None:
    with pytest.raises(ValueError, match="wanted exactly one"):
        count_parameters()
    with pytest.raises(ValueError, match="wanted exactly one"):
        count_parameters("vit", "mvit_v1_b")
