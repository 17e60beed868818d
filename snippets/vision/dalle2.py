"""DALL-E 2 in miniature: the three parts of unCLIP draw a digit for a caption.

Source: Ramesh et al., "Hierarchical Text-Conditional Image Generation with CLIP Latents",
arXiv 2204.06125. The parts come from transformers (CLIP) and diffusers (prior, decoder).
Units: pixels from -1 to 1. Shapes: B images or captions, T tokens, E numbers each.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, PriorTransformer, UNet2DModel
from huggingface_hub import PyTorchModelHubMixin
from torch import nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORDS = ["<start>", "<end>", "a", "thin", "bold", *DIGITS]
E = 32
NOISE_STEPS = 200
SAMPLING_STEPS = 25


def write_captions(images: np.ndarray, labels: np.ndarray) -> list[str]:
    """Describe each digit: its name, and if it has more ink than most of its kind.

    Args:
        images: Digits (B, H, W, C) as bytes.
        labels: Their values from 0 to 9 (B,).

    Returns:
        For each image "a thin seven" or "a bold seven".
    """
    ink = images.mean(axis=(1, 2, 3))  # (B,)
    middle = np.array([np.median(ink[labels == digit]) for digit in range(10)])
    bold = ink > middle[labels]
    return [
        f"a {'bold' if b else 'thin'} {DIGITS[k]}"
        for b, k in zip(bold, labels, strict=True)
    ]


def tokenize(captions: Sequence[str]) -> torch.Tensor:
    """Turn captions of equal length into numbers, one a word.

    Args:
        captions: Texts made of `WORDS`.

    Returns:
        `input_ids` (B, T) with a mark at the start and at the end.

    Raises:
        ValueError: If a word is not in the vocabulary.
    """
    texts = [["<start>", *caption.split(), "<end>"] for caption in captions]
    for word in sorted({word for text in texts for word in text} - set(WORDS)):
        raise ValueError(f'the caption has "{word}", wanted words of {WORDS[2:]}')
    return torch.tensor([[WORDS.index(word) for word in text] for text in texts])


class UnCLIP(nn.Module, PyTorchModelHubMixin):
    """Text to CLIP text embedding, prior to CLIP image embedding, decoder to image.

    Args:
        width: Channels of the decoder, twice as many at half the size.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        common = {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "projection_dim": E,
        }
        text = common | {
            "num_hidden_layers": 1,
            "vocab_size": len(WORDS),
            "max_position_embeddings": 8,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        }
        vision = common | {
            "num_hidden_layers": 2,
            "image_size": 8,
            "patch_size": 2,
            "num_channels": 1,
            "initializer_factor": 4.0,
        }
        self.clip: Any = CLIPModel(
            CLIPConfig(text_config=text, vision_config=vision, projection_dim=E)
        )
        self.prior: Any = PriorTransformer(
            num_attention_heads=4,
            attention_head_dim=16,
            num_layers=2,
            embedding_dim=E,
            num_embeddings=5,
        )
        self.decoder: Any = UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=1,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            block_out_channels=(width, 2 * width),
            layers_per_block=1,
            norm_num_groups=8,
            class_embed_type="identity",
        )
        self.condition = nn.Linear(E, 4 * width)  # joins the embedding of the time step
        cosine = {
            "num_train_timesteps": NOISE_STEPS,
            "beta_schedule": "squaredcos_cap_v2",
        }
        self.prior_schedule: Any = DDIMScheduler(
            **cosine, prediction_type="sample", clip_sample=False
        )
        self.decoder_schedule: Any = DDIMScheduler(**cosine)

    def embed_text(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Part 1, text: embeddings of captions (B, E) and of their tokens (B, T, E)."""
        text = self.clip.text_model(input_ids)
        pooled = self.clip.text_projection(text.pooler_output)
        tokens = self.clip.text_projection(text.last_hidden_state)
        scale = math.sqrt(E)  # so that the mean square is 1, as that of noise
        return F.normalize(pooled, dim=-1) * scale, F.normalize(tokens, dim=-1) * scale

    def embed_image(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Part 1, image: embeddings of the images (B, E), with a mean square of 1."""
        pooled = self.clip.vision_model(pixel_values).pooler_output
        image: torch.Tensor = self.clip.visual_projection(pooled)
        return F.normalize(image, dim=-1) * math.sqrt(E)

    def clip_loss(self, pixels: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        """Let each image find its caption among those of the batch, and the reverse."""
        scores = self.clip(input_ids, pixels).logits_per_image  # (B, B)
        same = (input_ids[:, None] == input_ids[None]).all(dim=-1).float()
        target = same / same.sum(dim=-1, keepdim=True)  # equal captions share the credit
        return (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2

    def prior_loss(self, pixels: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        """Restore an image embedding from a noisy one and the caption."""
        with torch.no_grad():
            clean, (text, tokens) = self.embed_image(pixels), self.embed_text(input_ids)
        noise, time = torch.randn_like(clean), torch.randint(NOISE_STEPS, (len(clean),))
        noisy = self.prior_schedule.add_noise(clean, noise, time)
        restored = self.prior(noisy, time, text, tokens).predicted_image_embedding
        return F.mse_loss(restored, clean)

    def decoder_loss(self, pixels: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """Find the noise in a noisy image, given its embedding and no caption."""
        with torch.no_grad():
            embedding = self.embed_image(pixels)
        keep = (torch.rand(len(pixels), 1) > 0.1).float()  # learn some without embedding
        noise, time = torch.randn_like(pixels), torch.randint(NOISE_STEPS, (len(pixels),))
        noisy = self.decoder_schedule.add_noise(pixels, noise, time)
        found = self.decoder(noisy, time, self.condition(embedding * keep)).sample
        return F.mse_loss(found, noise)

    @torch.no_grad()
    def imagine(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Part 2: from noise to image embeddings (B, E) that fit the captions."""
        text, tokens = self.embed_text(input_ids)
        embedding = torch.randn_like(text)
        self.prior_schedule.set_timesteps(SAMPLING_STEPS)
        for time in self.prior_schedule.timesteps:
            restored = self.prior(embedding, time, text, tokens).predicted_image_embedding
            embedding = self.prior_schedule.step(restored, time, embedding).prev_sample
        return embedding

    @torch.no_grad()
    def draw(self, embedding: torch.Tensor, guidance: float = 1.5) -> torch.Tensor:
        """Part 3: from noise to images, after each step (steps + 1, B, 1, 8, 8).

        Guidance above 1 exaggerates what the embedding changes in the guess.
        """
        images = [torch.randn(len(embedding), 1, 8, 8)]
        given, nothing = self.condition(embedding), self.condition(0 * embedding)
        self.decoder_schedule.set_timesteps(SAMPLING_STEPS)
        for time in self.decoder_schedule.timesteps:
            plain = self.decoder(images[-1], time, nothing).sample
            noise = plain + guidance * (
                self.decoder(images[-1], time, given).sample - plain
            )
            images.append(self.decoder_schedule.step(noise, time, images[-1]).prev_sample)
        return torch.stack(images)
