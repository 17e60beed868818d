"""Which names in code become links, where they lead, and that code stays as it was."""

import ast
import re
from html import unescape
from pathlib import Path

import pytest
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from executor import codelinks
from executor.codelinks import Table

PINS = {"torch": "2.14.1", "transformers": "5.23.0", "matplotlib": "3.11.2"}
TORCH = "https://docs.pytorch.org/docs/2.14/"
HF = "https://huggingface.co/docs/transformers/v5.23.0/en/"


@pytest.fixture(scope="module")
def table() -> Table:
    root = Path(__file__).resolve().parents[2]
    return codelinks.load(root / "data" / "codelinks.yml", PINS)


def page(*codes: str) -> str:
    """Return code blocks as Material shows them."""
    blocks = [
        highlight(code, PythonLexer(), HtmlFormatter(nowrap=True)) for code in codes
    ]
    return "".join(
        '<p>import</p><div class="language-python cell highlight" id="block-1" '
        f'data-needs="1 2"><pre><span></span><code>{block}</code></pre></div>'
        for block in blocks
    )


def text(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html))


def links(table: Table, *codes: str) -> dict[str, str]:
    before = page(*codes)
    after = codelinks.link(before, table)
    assert text(after) == text(before)
    assert re.sub(r'<a class="api"[^>]*>(.*?)</a>', r"\1", after) == before
    found = re.findall(r'<a class="api" href="([^"]*)"[^>]*>([^<]*)</a>', after)
    return {name: unescape(address) for address, name in found}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "import torch.nn.functional as F\nF.softmax(x, 0)",
            {
                "torch.nn.functional": f"{TORCH}nn.functional.html",
                "softmax": f"{TORCH}generated/torch.nn.functional.softmax.html"
                "#torch.nn.functional.softmax",
            },
        ),
        (
            "import torch\ntorch.nn.functional.softmax(x)",
            {
                "torch": f"{TORCH}index.html",
                "softmax": f"{TORCH}generated/torch.nn.functional.softmax.html"
                "#torch.nn.functional.softmax",
            },
        ),
        (
            'from transformers import AutoModel\nm = AutoModel.from_pretrained("ü")',
            {
                "AutoModel": f"{HF}model_doc/auto#transformers.AutoModel",
                "from_pretrained": f"{HF}model_doc/auto"
                "#transformers.AutoModel.from_pretrained",
            },
        ),
        (
            'import matplotlib.pyplot as plt\nf("ü"); plt.subplots()',
            {
                "matplotlib.pyplot": "https://matplotlib.org/3.11.2/api/"
                "pyplot_summary.html",
                "subplots": "https://matplotlib.org/3.11.2/api/_as_gen/"
                "matplotlib.pyplot.subplots.html#matplotlib.pyplot.subplots",
            },
        ),
        (
            "from torch import unheard_of, Tensor",
            {"Tensor": f"{TORCH}tensors.html#torch.Tensor"},
        ),
        (
            "import torch\ntorch.unheard_of",
            {
                "torch": f"{TORCH}index.html",
                "unheard_of": f"{TORCH}search.html?q=torch.unheard_of",
            },
        ),
        ("import torch\ntorch._private", {"torch": f"{TORCH}index.html"}),
        ("from transformers import UnheardOf\nUnheardOf()", {}),
        ("import numpy as np\nnp.zeros(3)", {}),  # no version is pinned here
        ("model.softmax(x); softmax(x); x.torch.eye", {}),
        ("from .torch import eye\neye(3)", {}),
        ("# import torch\n'import torch'", {}),
        ("import torch  # not closed (\nprint(", {}),
        (
            "from tempfile import TemporaryDirectory",
            {
                "TemporaryDirectory": "https://docs.python.org/3/library/"
                "tempfile.html#tempfile.TemporaryDirectory"
            },
        ),
    ],
)
def test_names_lead_to_their_documentation(
    table: Table, code: str, expected: dict[str, str]
) -> None:
    assert links(table, code) == expected


def test_the_blocks_of_a_page_are_one_program(table: Table) -> None:
    found = links(table, "import torch", "a = torch.eye(3)")

    assert found["eye"] == f"{TORCH}generated/torch.eye.html#torch.eye"


@pytest.mark.parametrize(
    "code",
    [
        "torch = 3",
        "def f(torch): pass",
        "for torch in x: pass",
        "class torch: pass",
        "[0 for torch in x]",
        "try: pass\nexcept ValueError as torch: pass",
        "import another as torch",
        "with x as torch: pass",
        "if (torch := 3): pass",
    ],
)
def test_a_name_that_is_bound_in_another_way_is_left_alone(
    table: Table, code: str
) -> None:
    assert "eye" not in links(table, "import torch\ntorch.eye(3)", code)


def test_a_repeated_link_is_not_in_the_tab_order(table: Table) -> None:
    html = codelinks.link(page("import torch\ntorch.eye(3)\ntorch.eye(4)"), table)

    assert re.findall(r'torch\.eye"( tabindex="-1")?>', html) == ["", ' tabindex="-1"']


def test_markup_and_signs_in_code_stay(table: Table) -> None:
    code = 'import torch\nx = \'<a> & "\' if torch.eye(3) < 2 & y > 1 else """\n<b>"""'

    assert "eye" in links(table, code)


def test_other_blocks_are_left_alone(table: Table) -> None:
    html = page("import torch").replace("language-python", "language-text")

    assert codelinks.link(html, table) == html


def test_imports_know_aliases() -> None:
    tree = ast.parse("import a.b\nimport a.b as c\nfrom d.e import f as g, h")

    assert codelinks.imports([tree]) == {
        "a": "a",
        "c": "a.b",
        "g": "d.e.f",
        "h": "d.e.h",
    }
