# %% [markdown]
# ---
# description: >-
#   Let a convolutional network teach a small DeiT: the distillation token, the loss, and a
#   paired measurement of what the teacher is worth.
# executor:
#   timeout: 550
#   data: [data/fashion-mnist]
#   checkpoints: [convnext]
#   saves: [deit]
# ---
# # Let a network teach a transformer (DeiT)
#
# You will train a transformer that learns from labels and from another network at the same
# time, and measure what the teacher is worth with pairs of runs.
#
# ## The shortest thing that works
#
# **Who teaches whom.** The teacher is the convolutional network of
# [the page on ConvNeXT](convnext.py), loaded from its checkpoint. It has learned from
# {{ images | thousands }} labeled photographs of clothes
# ([Fashion-MNIST](https://arxiv.org/abs/1708.07747)) and names
# {{ vision.convnext.metric | percent }} of the held-out ones right. The student is a
# [DeiT](https://arxiv.org/abs/2012.12877), a Vision Transformer with one more token. It gets
# the same images, but only the first {{ labeled }} labels: where labels are scarce, a
# transformer needs help most.

# %%
#| record:
#|   images: len(labels)
#|   labeled: LABELED
#|   test_images: len(test_set[1])
#|   teacher_accuracy: teacher_accuracy
import torch
from transformers import set_seed
from transformers.utils import logging

from snippets.vision.clothes import prepare
from snippets.vision.data import load_fashion
from snippets.vision.vit import load_classifier, predict, score

LABELED = 200
logging.disable_progress_bar()
torch.set_num_threads(1)  # more threads add in another order and change the last decimals
processor, teacher = load_classifier("checkpoints/convnext")
train_images, test_images, train_labels, test_labels = load_fashion("data/fashion-mnist")
pixel_values, labels = prepare(processor, train_images, train_labels)  # (5000, 3, 28, 28)
test_set = prepare(processor, test_images, test_labels)

teacher_accuracy = score(teacher, test_set)
print(f"{type(teacher).__name__}, {teacher.num_parameters():,} parameters")
print(f"names {teacher_accuracy:.1%} of {len(test_set[1])} held-out images right")

# %% [markdown]
# Each image is also warped a little, {{ copies }} times. The teacher looks at all of them and
# says what it sees. Its answers are the lesson.

# %%
#| record:
#|   copies: COPIES
#|   lessons: len(lesson_values)
#|   disagree: disagree
from snippets.vision.vit import warp

COPIES = 2
generator = torch.Generator().manual_seed(0)
copies = [warp(pixel_values, 0.05, generator) for _ in range(COPIES)]
lesson_values = torch.cat([pixel_values, *copies])  # (15000, 3, 28, 28)
teacher_labels = predict(teacher, lesson_values).argmax(dim=-1)

known = labels.clone()
known[LABELED:] = -100  # cross-entropy leaves out this number
known = known.repeat(COPIES + 1)
disagree = (teacher_labels != known)[known >= 0].double().mean().item()
print(f"{len(known):,} images, {(known >= 0).sum():,} of them with a label")
print(f"the teacher contradicts {disagree:.1%} of the labels")

# %%
#| record:
#|   parameters: student.num_parameters()
#|   metric: metric
#|   steps: STEPS
from snippets.vision.deit import build_deit, lesson_loss
from snippets.vision.optimize import minimize

STEPS = 1000
names = list(teacher.config.id2label.values())


def learn(seed, chosen, second, steps):
    """Train a student on the chosen images; the second label is the teacher's or not."""
    set_seed(seed)
    model = build_deit(names)
    minimize(
        lesson_loss(model, lesson_values[chosen], known[chosen], second[chosen]),
        [{"params": list(model.parameters()), "lr": 2e-3, "weight_decay": 0.05}],
        count=len(known[chosen]),
        steps=steps,
        batch_size=64,
        seed=seed,
    )
    return model


everything = torch.ones(len(known), dtype=torch.bool)
student = learn(0, everything, teacher_labels, STEPS)
metric = score(student, test_set)
print(f"student: {student.num_parameters():,} parameters, {metric:.1%} right")

# %% [markdown]
# ### Is that good?
#
# A linear model on the raw pixels, with the labels that the student has.

# %%
#| record:
#|   baseline: baseline
#|   margin: MARGIN
from snippets.vision.clothes import pixel_baselines

MARGIN = 0.01
first = train_images[:LABELED], test_images, train_labels[:LABELED], test_labels
baseline = pixel_baselines(*first)["logistic regression"]
print(f"logistic regression on {LABELED} labels: {baseline:.1%}")
assert metric > baseline + MARGIN

# %% [markdown]
# We measured {{ metric | percent }} against {{ baseline | percent }} with the same labels; the
# build of this page asks for a gain of {{ margin | percent }}. With the labels of all
# {{ images | thousands }} photographs, logistic regression gets
# {{ vision.convnext.baseline | percent }}.
#
# ## How it works
#
# A ViT reads the answer from one extra token, the class token. DeiT adds a second one, the
# **distillation token**. Both pass through the same layers and attend to the same patches,
# and each has a head of its own:

# %%
#| alt: >
#|   A diagram from bottom to top. A row of tokens: class, four patches that stand for all
#|   sixteen, distillation. All go into one wide box, the transformer layers. Above it, on
#|   the left, the class head, compared with the true label. On the right, the distillation
#|   head, compared with the answer of the teacher, a convolutional network that sees the
#|   same image.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7.2, 3.3), layout="constrained")


def box(x, y, text, color):
    style = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": color}
    axes.text(x, y, text, ha="center", va="center", size=9, bbox=style)


def arrow(start, end, style="->"):
    axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": "C5"})


tokens = ["class", "patch 1", "patch 2", "...", "patch 16", "distillation"]
for place, token in enumerate(tokens):
    box(place, 0, token, "C0" if place == 0 else "C1" if place == 5 else "C5")
    arrow((place, 0.25), (place, 0.72))
box(2.5, 1, " " * 58 + "transformer layers" + " " * 58, "C5")
for x, name, target, color in (
    (0, "class head", "true label", "C0"),
    (5, "distillation head", "teacher's answer", "C1"),
):
    arrow((x, 1.28), (x, 1.72))
    box(x, 2, name, color)
    arrow((x, 2.28), (x, 2.72), "<->")
    box(x, 3, target, color)
box(2.5, 3, "teacher: a convolutional network", "C2")
arrow((3.75, 3), (4.35, 3))
axes.text(0.2, 2.5, "loss", size=9, va="center")
axes.text(4.8, 2.5, "loss", size=9, va="center", ha="right")
axes.set(xlim=(-0.6, 5.8), ylim=(-0.35, 3.4))
axes.set_axis_off()
plt.show()

# %% [markdown]
# - **Hard distillation.** The teacher's most probable class counts as a second label. The
#   loss is the mean of the two cross-entropies.
# - **Two heads, one answer.** When the student is used, the logits of both heads are averaged.
# - **What is passed on.** A convolutional network knows from the start that near pixels belong
#   together. The student has no such knowledge, and gets it in the form of answers: also on
#   images without a label, which count in the second cross-entropy only.
#
# transformers has the model as `DeiTForImageClassificationWithTeacher`. Its documentation
# says that it is for inference only, since it computes no loss. `distillation_loss` above
# adds it.
#
# ## What is the teacher worth?
#
# One run with and one without a teacher would say little: another seed moves the accuracy,
# too. So we train pairs, each run for {{ short }} steps. Both runs of a pair have the same
# seed and the same initial weights. Without a teacher, images without a label are of no use:
# that student sees the {{ labeled }} labeled ones and their warped copies, and the true label
# takes the place of the teacher's answer.

# %%
#| record:
#|   short: SHORT
#|   taught: sum(scores["with"]) / len(scores["with"])
#|   alone: sum(scores["without"]) / len(scores["without"])
#|   gain: gain
#|   gain_low: low
#|   gain_high: high
#|   pairs: len(scores["with"])
from snippets.vision.deit import paired_interval

SHORT = 300
scores = {"with": [], "without": []}
for seed in (0, 1, 2):
    taught = learn(seed, everything, teacher_labels, SHORT)
    alone = learn(seed, known >= 0, known, SHORT)
    scores["with"].append(score(taught, test_set))
    scores["without"].append(score(alone, test_set))

gain, low, high = paired_interval(scores["with"], scores["without"])
for name, values in scores.items():
    print(f"{name:8} teacher:", *(f"{value:.1%}" for value in values))
print(f"gain {gain:+.1%}, two standard errors: {low:+.1%} to {high:+.1%}")
assert low > MARGIN

# %%
#| alt: >
#|   Three lines, one for each seed, that rise from the accuracy without to that with a
#|   teacher.
figure, axes = plt.subplots(figsize=(4.6, 3), layout="constrained")
for pair in zip(scores["without"], scores["with"], strict=True):
    axes.plot([0, 1], pair, marker="o", color="C4")
axes.set(ylabel="held-out accuracy", xlim=(-0.3, 1.3))
axes.set_xticks([0, 1], ["without teacher", "with teacher"])
plt.show()

# %% [markdown]
# We measured {{ taught | percent }} with and {{ alone | percent }} without the teacher, a gain
# of {{ gain | percent }}. Two standard errors over {{ pairs }} pairs reach from
# {{ gain_low | percent }} to {{ gain_high | percent }}; the build of this page fails if the
# lower end falls below {{ margin | percent }}. All runs were scored on the same
# {{ test_images | thousands }} images.
#
# The gain has a source: the teacher knew all {{ images | thousands }} labels, and its answers
# hand on what they say. That is the use of a teacher in practice: labels are paid for once.
#
# It depends on two numbers, the labels and the steps of a pair. We chose them with other
# seeds and on images set aside from the training set, never on the held-out ones. There the
# teacher was worth less where the student had more labels, and less in shorter runs: a
# student with a teacher has far more images to get through.
#
# ## What the two tokens look at

# %%
#| alt: >
#|   Three rows of four panels. Above, a trouser, a dress, a bag and an ankle boot. In the
#|   middle, a 4 by 4 map of the attention of the class token to the patches. Below, that of
#|   the distillation token. The two maps of an image are alike, not equal.
#| record:
#|   similarity: similarity
#|   agree_class: agreement["cls_logits"]
#|   agree_distillation: agreement["distillation_logits"]
from snippets.vision.deit import token_attention

shown = ["Trouser", "Dress", "Bag", "Ankle boot"]
examples = [test_labels.tolist().index(names.index(name)) for name in shown]
maps = token_attention(student, test_set[0][examples]).numpy()  # (4, 2, 4, 4)
figure, panels = plt.subplots(3, 4, figsize=(5.6, 4.2), layout="constrained")
for column, name, index, pair in zip(panels.T, shown, examples, maps, strict=True):
    column[0].imshow(test_images[index], interpolation="none")
    column[0].set_title(name, size=10)
    for axes, attention in zip(column[1:], pair, strict=True):
        shades = axes.imshow(attention, interpolation="none", vmin=0, vmax=maps.max())
    for axes in column:
        axes.set(xticks=[], yticks=[])
panels[1, 0].set_ylabel("class")
panels[2, 0].set_ylabel("distillation")
figure.colorbar(shades, ax=panels[1:], label="attention")
plt.show()

teacher_answers = predict(teacher, test_set[0]).argmax(dim=-1)
with torch.inference_mode():
    outputs = student(test_set[0], output_hidden_states=True)
last = outputs.hidden_states[-1]  # (1000, 18, 64)
similarity = torch.cosine_similarity(last[:, 0], last[:, 1], dim=-1).mean().item()
agreement = {
    head: (outputs[head].argmax(dim=-1) == teacher_answers).double().mean().item()
    for head in ("cls_logits", "distillation_logits")
}
print(f"cosine of the two tokens after the last layer: {similarity:.2f}")
for head, share in agreement.items():
    print(f"{head:20} agrees with the teacher on {share:.1%}")

# %% [markdown]
# The two tokens do not become the same: their cosine is {{ similarity | round(2) }}. On the
# held-out images the class head agrees with the teacher on {{ agree_class | percent }}, the
# distillation head on {{ agree_distillation | percent }}.
#
# ## Save it, and the same with a real checkpoint
#
# The student needs no teacher any more.

# %%
from PIL import Image
from transformers import ViTImageProcessor, pipeline

from snippets.vision.vit import save_classifier

checkpoint = "checkpoints/deit"
same = ViTImageProcessor(
    size={"height": 28, "width": 28}, image_mean=[0.5] * 3, image_std=[0.5] * 3
)
save_classifier(student, same, checkpoint, "zalando-datasets/fashion_mnist", metric)
classifier = pipeline("image-classification", model=checkpoint)
print(type(classifier.model).__name__)
for answer in classifier(Image.fromarray(test_images[examples[3]]), top_k=3):
    print(f"{answer['label']:12} {answer['score']:.3f}")

# %% [markdown]
# Put `"facebook/deit-base-distilled-patch16-224"` in place of the folder and pass a
# photograph. The paper reports 83.1% of ImageNet's images right without outside data, and
# up to 85.2% with the distillation token
# ([arXiv 2012.12877](https://arxiv.org/abs/2012.12877), as summarized by
# [MMPretrain](https://github.com/open-mmlab/mmpretrain)). That student learned from over
# a million photographs. Ours saw {{ images | thousands }} for {{ steps | thousands }}
# steps; what carries over is the direction of the effect, not its size.
#
# ## What goes wrong
#
# **Asking the model for a loss.** The class with a teacher takes no labels. In this release
# it even ignores them without a word:

# %%
import sys

result = student(test_set[0][:2], labels=test_set[1][:2])
print("loss" in result, list(result.keys()))

# %% [markdown]
# **Loading without a teacher.** `DeiTForImageClassification` has one head with another name.
# The two trained heads are dropped and a new one is made up, with a warning in the log. Let
# `AutoModelForImageClassification` choose; it reads the right class from the configuration.
#
# **A teacher who looks at other images.** If the student's image is warped and the teacher's
# is not, or in another way, the answers are about something else. The number of answers is
# all that can be checked:

# %%
try:
    lesson_loss(student, lesson_values, known, labels)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# ## Where to go next
#
# - [Train a Vision Transformer](vit.py), the student without the second token.
# - [DeiT in the documentation of transformers](https://huggingface.co/docs/transformers/model_doc/deit).
# - [facebook/deit-base-distilled-patch16-224](https://huggingface.co/facebook/deit-base-distilled-patch16-224), the model card.
