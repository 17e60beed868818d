# %% [markdown]
# ---
# description: Train a small BERT to point at the words of a text that answer a question,
#   measured with exact match and F1.
# executor:
#   timeout: 180
#   memory_gb: 3
#   data: [data/addresses]
# ---
# # Answer questions from a text
#
# On this page you train a model that answers a question by marking words of a text, and run
# it without the pipeline that older tutorials use.
#
# !!! note "Which weights"
#     All weights are trained here, from random numbers. transformers 5 has no
#     `question-answering` pipeline any more; the model classes, such as
#     [`BertForQuestionAnswering`](https://huggingface.co/docs/transformers/model_doc/bert),
#     remain, and so do the checkpoints on the Hub.
#
# ## The shortest thing that works
#
# The texts are addresses as people wrote them, from the training data of
# [usaddress](https://github.com/datamade/usaddress) (MIT), in which each word has a tag. We
# ask about the tagged parts, each time in one of two wordings. Real addresses, questions from
# a template: small enough to learn from nothing, and the answer is known.

# %%
#| record:
#|   train: len(train)
#|   test: len(test)
import datasets
import torch

from snippets.text.question_answering import ask

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
datasets.disable_progress_bars()
TEMPLATES = {
    "AddressNumber": ["What is the house number?", "Which number does the house have?"],
    "StreetName": ["What is the name of the street?", "On which street is it?"],
    "PlaceName": ["Which city is it in?", "What is the name of the town?"],
    "StateName": ["Which state is it in?", "What is the state?"],
    "ZipCode": ["What is the ZIP code?", "Which postal code does it have?"],
    "OccupancyIdentifier": ["Which apartment is it?", "What is the number of the unit?"],
}
rows = datasets.load_dataset("data/addresses")
train = ask(rows["train"]["tokens"], rows["train"]["tags"], TEMPLATES)
test = ask(rows["test"]["tokens"], rows["test"]["tags"], TEMPLATES, seed=1)[:600]
for each in train[:3]:
    print(f"{each.context} | {each.question} | {each.answer}")

# %% [markdown]
# A small vocabulary, a small model with random weights, and some hundred steps:

# %%
#| record:
#|   parameters: model.num_parameters()
#|   steps: len(losses)
from snippets.text.loop import train_steps
from snippets.text.question_answering import build_reader, encode
from snippets.text.token_classification import batches_of
from snippets.text.wordpiece import train_wordpiece

texts = [each.context for each in train] + [each.question for each in train]
tokenizer = train_wordpiece(texts, vocab_size=600)
torch.manual_seed(0)
model = build_reader(len(tokenizer))
encoded = encode(train, tokenizer)
losses = train_steps(model, batches_of(encoded), total_steps=320, learning_rate=3e-3)
print(f"{model.num_parameters():,} parameters")
print("loss:", *(f"{sum(losses[i : i + 40]) / 40:.2f}" for i in range(0, 320, 40)))

# %%
#| record:
#|   em: exact.mean().item()
#|   low: low
#|   high: high
#|   f1: overlap.mean().item()
import numpy as np

from snippets.text.measure import interval
from snippets.text.question_answering import answer, exact_match, overlap_f1

given = answer(model, tokenizer, [(each.question, each.context) for each in test])
exact = np.array(
    [exact_match(q.answer, a) for q, (a, _) in zip(test, given, strict=True)]
)
overlap = np.array(
    [overlap_f1(q.answer, a) for q, (a, _) in zip(test, given, strict=True)]
)
low, high = interval(exact)
print(f"exact match {exact.mean():.1%} ({low:.1%} to {high:.1%})")
print(f"F1          {overlap.mean():.1%}")

# %% [markdown]
# **Exact match** counts an answer that is right to the letter, whatever the case. **F1**
# gives part of the credit for part of the words: it is the harmonic mean of the share of
# given words that are right and the share of right words that are given. The range is a 95%
# confidence interval by the bootstrap, explained in [Classify text](classification.py).
#
# ## How it works
#
# Question and text go through the model as one sequence, `[CLS] question [SEP] text [SEP]`.
# At each token two numbers come out, one for "the answer starts here" and one for "it ends
# here". The figure shows both for two questions about one address.

# %%
#| alt: >
#|   Two bar charts over the words of one address, one for each of two questions. In each,
#|   the bars for start and end stand on the words of the right answer: on the house number
#|   above, on the postal code below. All other bars are close to zero.
import matplotlib.pyplot as plt

example = "1428 Elm Street, Springfield, OH 45501"
asked = ["What is the house number?", "Which postal code does it have?"]
figure, panels = plt.subplots(2, 1, figsize=(7.2, 4.2), sharey=True, layout="constrained")
for axes, question in zip(panels, asked, strict=True):
    inputs = tokenizer(question, example, return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    inside = torch.tensor([number == 1 for number in inputs.sequence_ids(0)])
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0][inside])
    places = np.arange(len(tokens))
    start = output.start_logits[0].softmax(dim=-1)[inside].numpy()
    end = output.end_logits[0].softmax(dim=-1)[inside].numpy()
    axes.bar(places - 0.2, start, width=0.4, label="starts here")
    axes.bar(places + 0.2, end, width=0.4, label="ends here")
    axes.set_xticks(places, tokens, rotation=45)
    axes.set(title=question, ylim=(0, 1), ylabel="probability")
panels[0].legend()
plt.show()
for question, (text, share) in zip(
    asked, answer(model, tokenizer, [(q, example) for q in asked]), strict=True
):
    print(f"{question} {text} ({share:.0%})")

# %% [markdown]
# The best answer is the pair of a start and an end with the highest sum. Three rules,
# which the network does not know, limit the choice. The end is not before the start, both
# lie in the text and not in the question, and the answer is not too long. `answer`
# applies them, and widens the result to whole words, which a pipeline would also have to
# do.
#
# ## Is that good?
#
# Addresses have an order, so a rule that knows nothing but places is a fair rival. For
# each kind of question it remembers where the answer stood most often, counted from the
# front or from the back, and answers with the word at that place. It is told the kind of
# the question; the model has to read it.

# %%
#| record:
#|   rule: rule.mean().item()
#|   rule_low: rule_low
#|   rule_high: rule_high
from snippets.text.question_answering import usual_place

places = usual_place(train)
guesses = []
for each in test:
    words = each.context.split()
    place = min(max(places[each.kind], -len(words)), len(words) - 1)
    guesses.append(words[place].rstrip(",.;"))
rule = np.array([exact_match(q.answer, a) for q, a in zip(test, guesses, strict=True)])
rule_low, rule_high = interval(rule)
print("places:", places)
print(f"exact match of the rule {rule.mean():.1%} ({rule_low:.1%} to {rule_high:.1%})")
for kind in TEMPLATES:
    mine = np.array([each.kind == kind for each in test])
    print(f"{kind:20} model {exact[mine].mean():4.0%}  rule {rule[mine].mean():4.0%}")

# %% [markdown]
# We measured an exact match of {{ em | percent }} ({{ low | percent }} to
# {{ high | percent }}) for the model and {{ rule | percent }} ({{ rule_low | percent }} to
# {{ rule_high | percent }}) for the rule. Where the place says it all, as for the house
# number, a rule will do. The model pays off where answers have several words or move about.
#
# ## Look at the answers
#
# Five right and five wrong, drawn at random: the question's kind, what the model answered
# with its probability, and what was right.

# %%
from snippets.text.measure import sample

for kind, indices in zip(("right", "wrong"), sample(exact == 1), strict=True):
    for index in indices:
        each, (text, share) = test[index], given[index]
        print(f"{kind}: {each.context}")
        print(f"       {each.question} {text} ({share:.0%}), is {each.answer}")

# %% [markdown]
# **A probability helps to keep silent.** Sorted by it, the more certain half of the answers
# is right more often:

# %%
#| record:
#|   upper: upper
#|   lower: lower
order = np.argsort([-share for _, share in given], kind="stable")
upper, lower = (exact[half].mean().item() for half in np.array_split(order, 2))
print(f"certain half: {upper:.1%} right, uncertain half: {lower:.1%}")

# %% [markdown]
# ## The same with a real checkpoint
#
# `answer` takes any extractive model. With a network, load one by its id and pass it on:
# [`deepset/roberta-base-squad2`](https://huggingface.co/deepset/roberta-base-squad2) through
# `AutoModelForQuestionAnswering` and `AutoTokenizer` answers free questions about Wikipedia
# paragraphs. It was trained on SQuAD 2.0, where many questions have no answer: it then points
# at the first token, which our three rules leave out. No extractive checkpoint is in the
# packages that this build may read, so its numbers are not here.
#
# ## What goes wrong
#
# **The old pipeline.** Code from before transformers 5 stops with this:

# %%
import sys

from transformers import pipeline

try:
    pipeline("question-answering", model=model, tokenizer=tokenizer)
except KeyError as error:
    print(f"KeyError: {str(error)[:88]}", file=sys.stderr)

# %% [markdown]
# **An answer that is not where it should be.** Data sets with stray spaces have starts that
# are off by one. `encode` compares before it trains:

# %%
from dataclasses import replace

try:
    encode([replace(test[0], start=test[0].start + 1)], tokenizer)
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **Always an answer.** Asked about something that the text does not say, the model still
# points at the most likely place, unless it has learned to refuse:

# %%
for question in ("Which apartment is it?", "Who lives there?"):
    text, share = answer(model, tokenizer, [(question, "12 Oak Lane, Salem, OR 97301")])[
        0
    ]
    print(f"{question} {text} ({share:.0%})")

# %% [markdown]
# ## Where to go next
#
# - [Tag the words of a text](token-classification.py) marks all parts at once.
# - [SQuAD](https://arxiv.org/abs/1606.05250), the data set that set the task and its scores.
# - [What changed](../report/changes.py) lists what else is gone from older tutorials.
