"""Makes the notebook pages that every tool builds, and edits them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path

SHARED = "snippets/bench/summary.py"
"""The module that some pages import."""

_SHARING = 4  # every fourth page imports the shared module
_FACTOR = {"code": 1001, "shared": 1003}

_HEAD = """\
# %% [markdown]
# ---
# description: Page {number} of a benchmark.
# ---
# # Page {number}: a small BERT
#
# This page builds a model with random weights, runs it once and draws what comes out.
# Its prose is of edition {prose}.
#
# ## Build the model
#
# The model has two layers of four **attention heads** each. A seed makes its random
# weights the same in every run.
"""
_MODEL = """
# %%
import torch
import transformers
from transformers import BertConfig, BertModel

transformers.set_seed({number})
config = BertConfig(
    vocab_size=128,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
)
model = BertModel(config).eval()
print(f"{{model.num_parameters():,}} parameters")

# %% [markdown]
# ## Run it once
#
# Two sequences of 16 tokens go in, and a vector of 64 numbers comes out for each token.

# %%
input_ids = torch.arange(32).reshape(2, 16)
with torch.inference_mode():
    hidden = model(input_ids).last_hidden_state  # (2, 16, 64)
print(tuple(hidden.shape), f"{{hidden.std().item():.4f}}")

# %% [markdown]
# ## Draw the result

# %%
#| alt: Four jagged lines, one for each of the first four numbers of a token's vector.
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot(hidden[0, :, :4].numpy())
axes.set_xlabel("token")
axes.set_ylabel("value")
plt.show()
"""
_ARITHMETIC = """
# %%
total = sum(number * {number} for number in range(100))
print(f"{{total:,}} in all")
"""
_CODE = """
# %%
edition = {code}
print("code result", edition * {factor})
"""
_SHARED = """
# %% [markdown]
# ## Use the shared module

# %%
from snippets.bench.summary import describe

print(describe([0.5, 1.5]))
"""
_MODULE = '''\
"""Describe numbers; the module that pages of the benchmark share."""

EDITION = {edition}


def describe(values: list[float]) -> str:
    """Returns the mean of the values, and a number that tells the edition.

    Args:
        values: Any numbers.
    """
    mean = sum(values) / len(values)
    return f"mean {{mean:.2f}}, shared result {{EDITION * {factor}}}"
'''


@dataclass
class Notebooks:
    """The pages of a project, and which edition of them stands on disk.

    What a page prints after an edit is computed, so that it shows in its output and not
    in its source.

    Args:
        root: The project's folder.
        count: How many pages.
        torch: Whether pages run a model, which takes torch and transformers.
        small: Whether the page that is edited does without a model all the same.
    """

    root: Path
    count: int
    torch: bool = True
    small: bool = False
    code: int = field(default=1, init=False)
    prose: int = field(default=1, init=False)
    shared: int = field(default=1, init=False)

    def names(self) -> list[str]:
        """The pages' names, without suffix."""
        return [f"page-{number:03}" for number in range(1, self.count + 1)]

    def sharing(self) -> list[str]:
        """Names of the pages that import the shared module; never the edited page."""
        return self.names()[1::_SHARING]

    @property
    def edited(self) -> str:
        """Name of the page that edits change."""
        return self.names()[0]

    def path(self, name: str) -> Path:
        """The source of a page."""
        return self.root / "docs" / "pages" / f"{name}.py"

    def write(self) -> None:
        """Writes every page, a home page and the shared module."""
        for name in self.names():
            _write(self.path(name), self.text(name))
        titles = "\n".join(f"- [{name}](pages/{name}.py)" for name in self.names())
        home = f"---\ndescription: A benchmark.\n---\n# Benchmark\n\n{titles}\n"
        _write(self.root / "docs" / "index.md", home)
        self._write_shared()

    def text(self, name: str) -> str:
        """Returns the source of a page."""
        number = self.names().index(name) + 1
        edited = name == self.edited
        model = self.torch and not (edited and self.small)
        parts = [_HEAD, _MODEL if model else _ARITHMETIC, _CODE]
        if name in self.sharing():
            parts.append(_SHARED)
        return "".join(parts).format(
            number=number,
            prose=self.prose if edited else 0,
            code=self.code if edited else 0,
            factor=_FACTOR["code"],
        )

    def edit_code(self) -> dict[str, str]:
        """Edits the code of one page. Returns by page what it must show then."""
        self.code += 1
        _write(self.path(self.edited), self.text(self.edited))
        return {self.edited: f"code result {self.code * _FACTOR['code']}"}

    def edit_prose(self) -> dict[str, str]:
        """Edits the text of one page. Returns by page what it must show then."""
        self.prose += 1
        _write(self.path(self.edited), self.text(self.edited))
        return {self.edited: f"prose is of edition {self.prose}"}

    def edit_shared(self) -> dict[str, str]:
        """Edits the shared module. Returns by page what it must show then."""
        self.shared += 1
        self._write_shared()
        return self.expected_shared()

    def expected_shared(self) -> dict[str, str]:
        """Returns by page what the shared module makes it show."""
        value = f"shared result {self.shared * _FACTOR['shared']}"
        return dict.fromkeys(self.sharing(), value)

    def expected(self) -> dict[str, str]:
        """Returns by page one text that it must show, as the pages stand."""
        code = dict.fromkeys(self.names(), "code result 0")
        code[self.edited] = f"code result {self.code * _FACTOR['code']}"
        return code | self.expected_shared()

    def _write_shared(self) -> None:
        path = self.root / SHARED
        text = _MODULE.format(edition=self.shared, factor=_FACTOR["shared"])
        for folder in (path.parent.parent, path.parent):
            _write(folder / "__init__.py", '"""Code that pages show."""\n')
        _write(path, text)


def shows(path: Path, text: str) -> bool:
    """Tells whether a built page (or an executed notebook) shows a text to its reader."""
    return path.exists() and shows_text(path.read_text(encoding="utf-8"), text)


def shows_text(source: str, text: str) -> bool:
    """Tells whether HTML (or a notebook) shows a text; numbers must end where it ends."""
    seen = " ".join(html.unescape(re.sub(r"<[^>]+>", "", source)).split())
    return re.search(rf"{re.escape(text)}(?!\d)", seen) is not None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
