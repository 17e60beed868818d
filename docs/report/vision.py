# %% [markdown]
# ---
# description: >-
#   Sixteen families of vision models: paper, idea, result, data, and whether the installed
#   transformers has them, checked while this page is built.
# executor:
#   timeout: 120
# ---
# # Vision on Hugging Face
#
# After this page you can tell sixteen families of vision models apart, know what each is
# for and what it was measured on, and find it in a library, or know that you need not look.
#
# ## Is it in transformers?
#
# Lists of models age, so this page asks the installed libraries. Each *model type* of
# transformers has a configuration class, and the mapping from one to the other can be
# searched. A family that is missing there is looked up in torchvision.

# %%
#| record:
#|   in_transformers: sum(bool(kind) for kind in types)
#|   missing: "[f.name for f, kind in zip(families, types) if not kind]"
#|   in_torchvision: "[f.name for f, name in zip(families, fallbacks) if name]"
#|   types_total: len([*CONFIG_MAPPING])
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from snippets.report.families import Family, model_type_of, torchvision_name_of

families = [
    Family("Mask R-CNN", "detection", "1703.06870"),
    Family("DETR", "detection", "2005.12872"),
    Family("ViT", "classification", "2010.11929"),
    Family("DeiT", "classification", "2012.12877"),
    Family("SETR", "segmentation", "2012.15840"),
    Family("VL-T5", "images and text", "2102.02779"),
    Family("ViLT", "images and text", "2102.03334"),
    Family("TimeSformer", "video", "2102.05095"),
    Family("Swin", "classification", "2103.14030"),
    Family("MViT", "video", "2104.11227"),
    Family("BEiT", "self-supervision", "2106.08254"),
    Family("MaskFormer", "segmentation", "2107.06278"),
    Family("MAE", "self-supervision", "2111.06377", ("ViT-MAE",)),
    Family("MaskFeat", "self-supervision", "2112.09133"),
    Family("ConvNeXT", "classification", "2201.03545"),
    Family("DALL-E 2", "generation", "2204.06125", ("DALL-E", "unCLIP")),
]
types = [model_type_of(family) for family in families]
fallbacks = [
    "" if kind else torchvision_name_of(family)
    for family, kind in zip(families, types, strict=True)
]
print(f"transformers: {sum(map(bool, types))} of {len(families)} families")
print(f"torchvision: {sum(map(bool, fallbacks))} of the others")
print(f"model types of transformers: {len([*CONFIG_MAPPING])}")

# %% [markdown]
# Of {{ types_total }} model types, {{ in_transformers }} answer to one of our sixteen names.
# Missing are {{ missing | join(", ") }}. torchvision fills in for
# {{ in_torchvision | join(" and ") }}; for the other names see below where the code lives.
#
# The sizes come from the default configuration of each family, built on PyTorch's `meta`
# device, where weights have a shape and take no memory. In the table, transformers counts
# the bare model and torchvision the whole one.

# %%
#| record:
#|   smallest: summary.parameters.dropna().idxmin()
#|   largest: summary.parameters.dropna().idxmax()
#|   smallest_millions: float(summary.parameters.min())
#|   largest_millions: float(summary.parameters.max())
import pandas as pd

from snippets.report.families import count_parameters

rows = []
for family, kind, fallback in zip(families, types, fallbacks, strict=True):
    found = kind or fallback
    rows.append(
        {
            "family": family.name,
            "task": family.task,
            "paper": f"{family.published:%Y-%m}",
            "library": "transformers" if kind else "torchvision" if fallback else "-",
            "name there": found or "-",
            "parameters": count_parameters(kind, fallback) / 1e6 if found else None,
        }
    )
summary = pd.DataFrame(rows).set_index("family")
summary.rename(columns={"parameters": "millions"}).round(1).astype(object).fillna("-")

# %% [markdown]
# The default of {{ smallest }} is the smallest with {{ smallest_millions | round(1) }}
# million parameters, that of {{ largest }} the largest with
# {{ largest_millions | round(1) }} million. A default is one size of several, often the
# base size; compare families by their papers, not by this column.
#
# The months are those of the first version on arXiv: the number `2010.11929` begins with
# year and month. Most of the sixteen came within two years after ViT.

# %%
#| alt: >
#|   Sixteen families as points from top to bottom by the month of their paper, from Mask
#|   R-CNN in 2017 to DALL-E 2 in 2022. Ten round points are in transformers, two square
#|   points, Mask R-CNN and MViT, are in torchvision, and four crosses, SETR, VL-T5,
#|   MaskFeat and DALL-E 2, are in neither. All but two lie between late 2020 and early 2022.
import matplotlib.pyplot as plt

months = [family.published for family in families]
figure, axes = plt.subplots(figsize=(6.6, 4.8), layout="constrained")
styles = {"transformers": ("o", "C0"), "torchvision": ("s", "C1"), "-": ("X", "C2")}
for library, (marker, color) in styles.items():
    places = [i for i, row in enumerate(rows) if row["library"] == library]
    axes.plot(
        [months[i] for i in places],
        places,
        marker,
        color=color,
        markersize=9,
        label="neither" if library == "-" else library,
    )
axes.set(xlabel="first version of the paper", ylim=(len(families) - 0.5, -0.5))
axes.set_yticks(range(len(families)), [family.name for family in families])
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## A map by task
#
# - **Classification**, one label for an image: ViT, DeiT, Swin, ConvNeXT.
# - **Detection**, a box for each object: DETR, Mask R-CNN.
# - **Segmentation**, a label for each pixel: SETR, MaskFormer, and the masks of Mask R-CNN.
# - **Video**: TimeSformer, MViT.
# - **Self-supervision**, learning from images without labels: BEiT, MAE, MaskFeat.
# - **Images and text**: ViLT, VL-T5.
# - **Generation**: DALL-E 2.
#
# Some results need their unit. *Top-1* is the share of images whose first guess is right.
# *AP* (average precision) scores boxes or masks, *mIoU* the overlap of regions, *PQ* both
# countable things and background, all from 0 to 100. *FID* is a distance between real and
# generated images; lower is better. Do not compare numbers across rows that differ in data,
# image size or year.
#
# ## Classification
#
# **ViT** cuts an image into patches and reads them like words; nothing else was changed in
# the Transformer. It needs much data: the largest was pretrained on 303 million images and
# reaches 88.55% on ImageNet [@vit-paper; @vit-result]. [Train one](../vision/vit.py).
#
# **DeiT** shows that ImageNet alone is enough, with strong augmentation. An extra token
# learns from a second network, the teacher: 83.1% without further data, 85.2% with that
# token [@deit-paper; @deit-result].
#
# **Swin** lets patches look only at neighbors in a window, and moves the windows in every
# other layer. So the cost grows with the area and not with its square, and the feature maps
# shrink as in a convnet, which detectors want: 87.3% on ImageNet, 58.7 box AP on COCO
# [@swin-paper; @swin-result].
#
# **ConvNeXT** is no transformer. It takes a ResNet and adopts, step by step, the habits of
# Swin, and reaches 87.8%, pretrained on ImageNet-22k [@convnext-paper; @convnext-data].
#
# ## Detection and segmentation
#
# **Mask R-CNN** proposes regions, then refines a box, a label and a mask for each. It is the
# yardstick of the field: 37.1 mask AP on COCO with its largest backbone
# [@mask-rcnn-paper; @mask-rcnn-result]. It lives in torchvision, with weights
# [@mask-rcnn-torchvision].
#
# **DETR** asks a fixed number of learned questions of the image, and each answers with one
# box or with "nothing". That makes the hand-made steps after a detector unnecessary: 42.0
# AP on COCO with a ResNet-50 [@detr-paper; @detr-result].
#
# **SETR** was early in giving segmentation to a plain transformer encoder: 50.28 mIoU on
# ADE20K [@setr-paper; @setr-result]. Its code is in MMSegmentation [@setr-code].
#
# **MaskFormer** predicts a set of masks with one label each, instead of a label for each
# pixel. One model then does both kinds of segmentation: 55.6 mIoU on ADE20K and 52.7 PQ on
# COCO [@maskformer-paper; @maskformer-result].
#
# ## Video
#
# **TimeSformer** separates attention over time (the same place in all frames) from attention
# over space (all places in one frame). On Kinetics-400 the authors' models reach 77.9% to
# 80.6% [@timesformer-paper; @timesformer-result; @timesformer-data].
#
# **MViT** starts with many small patches and few channels and trades one for the other on
# the way, as convnets do. It reaches 80.4% on Kinetics-400 [@mvit-paper; @mvit-result], and
# lives in torchvision [@mvit-torchvision].
#
# ## Learning without labels
#
# All three hide a part of the input and learn to restore it. They differ in what is
# restored.
#
# **BEiT** restores *visual tokens*, the words of a codebook for image patches: 86.3% for the
# large one with ImageNet-1k alone [@beit-paper; @beit-result].
#
# **MAE** restores pixels, and hides most of them. The encoder sees only what is left, so
# pretraining is cheap: 87.8% with ViT-Huge and ImageNet-1k alone [@mae-paper; @mae-result].
#
# **MaskFeat** restores HOG, an old description of edges and their directions, in images and
# video. With MViT it reaches 86.7% on Kinetics-400 [@maskfeat-paper; @maskfeat-result]. The
# code is in SlowFast and two other toolboxes [@maskfeat-code].
#
# ## Images, text and generation
#
# **ViLT** puts words and image patches into one transformer and drops the detector that
# earlier models ran first. Pretrained on Conceptual Captions, SBU, COCO and Visual Genome,
# it reaches about 71.3 on the question set VQAv2 [@vilt-paper; @vilt-result; @vilt-data].
#
# **VL-T5** turns every task on images and text into writing: the answer, the caption or the
# name of a region is a text. On the set VCR it gets 75.3 for answers
# [@vl-t5-paper; @vl-t5-result]. The code is a repository of its own [@vl-t5-code].
#
# **DALL-E 2** turns a text into an image vector of CLIP and that vector into a picture: FID
# 10.39 on COCO without training on it [@dalle2-paper]. It is closed. Karlo is an open model
# of the same design, trained on 115 million pairs [@karlo], and runs in diffusers
# [@karlo-diffusers].
#
# ## What they learned from
#
# | data | what it is | size | terms |
# |---|---|---|---|
# | ImageNet | photos, sorted by WordNet's sets of synonyms [@imagenet-paper] | more than 14 million [@imagenet-size]; ImageNet-1k: 1,281,167 training images, 1,000 classes [@imagenet-1k] | research and education, not commercial [@imagenet-terms] |
# | COCO | everyday scenes with labeled objects [@coco-paper] | 118,287 training images with 80 classes in the version of 2017 [@coco-2017] | annotations CC BY 4.0; images under the terms of Flickr [@coco-terms] |
# | Kinetics-400 | clips of human actions from YouTube, about 10 seconds each [@kinetics-400] | 240,436 training videos left when last counted [@kinetics-counts] | copies on the Hub declare CC BY 4.0 [@kinetics-terms] |
# | Conceptual Captions | images of the web with their Alt-text [@cc3m-terms] | 3,318,333 training pairs [@cc3m] | any purpose, as its license is quoted [@cc3m-terms] |
#
# A license on annotations is none on pictures. Three of the four hold images of people and
# works that somebody else owns, and Kinetics loses videos whenever an owner deletes one. Ask
# before you train a product on them, and ask the same of a checkpoint.
#
# ## What goes wrong
#
# Ask transformers for a family that it has not, and it lists what it has:

# %%
import sys

from transformers import AutoConfig

try:
    AutoConfig.for_model("mask_rcnn")
except ValueError as error:
    print(f"ValueError: {str(error)[:88]} ...", file=sys.stderr)

# %% [markdown]
# A checkpoint on the Hub whose `config.json` names such a type fails alike. If its page
# offers `trust_remote_code=True`, that runs the author's Python on your machine: read it
# first.
#
# Names mislead too. MAE is `vit_mae`, and it comes without a head for classification: load
# its weights into `ViTForImageClassification` and fine-tune [@mae-classes]. Swin has no
# image processor of its own and uses that of ViT [@swin-classes]. The pipeline for visual
# question answering is gone, so ViLT is called through its classes [@vilt-no-pipeline].
#
# ## Where to go next
#
# - [Train a Vision Transformer](../vision/vit.py) on real handwriting.
# - [The Transformer for the uninitiated](transformer.py) explains attention by hand.
# - [What changed](changes.py) lists what older vision tutorials trip over.
# - [Model pages of transformers](https://huggingface.co/docs/transformers/model_doc/vit).
