import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, set_seed

from snippets.vision.vit_from_scratch import ViT, from_transformers


def their_model(**changes) -> ViTForImageClassification:
    set_seed(0)
    settings = {
        "image_size": 12,
        "patch_size": 4,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "initializer_range": 0.3,
        "num_labels": 5,
    }
    return ViTForImageClassification(ViTConfig(**settings | changes)).eval()


@pytest.mark.parametrize("changes", [{}, {"num_channels": 1}, {"num_attention_heads": 1}])
def test_logits_are_those_of_transformers(changes):
    theirs = their_model(**changes)
    pixel_values = torch.randn(4, theirs.config.num_channels, 12, 12)
    with torch.no_grad():
        expected = theirs(pixel_values).logits
        torch.testing.assert_close(
            from_transformers(theirs)(pixel_values), expected, atol=1e-5, rtol=0
        )
    assert expected.std() > 0.1


def test_it_has_as_many_parameters_and_shares_none():
    theirs = their_model()
    ours = from_transformers(theirs)
    assert sum(p.numel() for p in ours.parameters()) == theirs.num_parameters()
    with torch.no_grad():
        ours.classify.bias.add_(1)
    assert not torch.equal(ours.classify.bias, theirs.classifier.bias)


def test_it_learns_a_few_images_by_heart():
    torch.manual_seed(0)
    model = ViT(8, 4, 1, width=16, layers=1, heads=2, hidden=32, classes=3)
    images, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(model(images).argmax(dim=-1), labels)


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match='hidden_act is "relu", wanted "gelu"'):
        from_transformers(their_model(hidden_act="relu"))
