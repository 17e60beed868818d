"""Which earlier cells a copied cell needs."""

from textwrap import dedent

import pytest

from executor.needs import needs_of


def needed(*cells: str) -> list[int]:
    """Return what the last of some cells needs."""
    return list(needs_of([dedent(cell) for cell in cells])[-1])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param(["x = 1", "y = 2"], [], id="nothing"),
        pytest.param(["x = 1", "y = 2", "print(x)"], [0], id="a name"),
        pytest.param(["import math", "math.pi"], [0], id="an import"),
        pytest.param(["x = 1", "y = x", "y"], [0, 1], id="what that needs"),
        pytest.param(["x = 1", "x = 2", "x"], [1], id="the last binding"),
        pytest.param(["x = 1", "x = 2\nx"], [], id="own binding"),
        pytest.param(["x = 1", "x\nx = 2"], [0], id="read before own binding"),
        pytest.param(["x = 1", "x += 1", "x"], [0, 1], id="augmented assignment"),
        pytest.param(["x = 1", "if y:\n    x = 2", "x"], [0, 1], id="perhaps bound"),
        pytest.param(
            ["x = 1", "if y:\n    x = 2\nelse:\n    x = 3", "x"],
            [1],
            id="bound either way",
        ),
        pytest.param(
            ["x = 1", "for i in '':\n    x = i", "x"], [1], id="bound by a loop"
        ),
        pytest.param(["x = 1", "while y():\n    x = 2", "x"], [0, 1], id="while"),
        pytest.param(
            ["x = 1", "try:\n    x = f()\nexcept OSError:\n    pass", "x"],
            [0, 1],
            id="perhaps bound by try",
        ),
        pytest.param(
            ["x = 1", "try:\n    x = f()\nexcept OSError:\n    raise", "x"],
            [1],
            id="bound by try or stopped",
        ),
        pytest.param(["x = 1", "with open('f') as f:\n    x = f", "x"], [1], id="with"),
        pytest.param(
            [
                "import contextlib",
                "x = 1",
                "with contextlib.suppress(E):\n    x = 2",
                "x",
            ],
            [0, 1, 2],
            id="with that may stop",
        ),
        pytest.param(["x = 1", "[x for x in 'ab']"], [], id="own variable"),
        pytest.param(["x = 'ab'", "[y for y in x]"], [0], id="comprehension"),
        pytest.param(["def f(): pass", "x = 1", "f()"], [0], id="function"),
        pytest.param(["x = 1", "def f():\n    return x", "f()"], [0, 1], id="its global"),
        pytest.param(
            ["def f():\n    return x", "x = 1", "f()"],
            [0, 1],
            id="its global, bound later",
        ),
        pytest.param(
            ["x = 1", "def f():\n    return x", "x = 2", "f()"],
            [0, 1, 2],
            id="its global, bound before and after",
        ),
        pytest.param(
            ["x = 1", "def f():\n    return x", "y = f()", "x = 2", "y"],
            [0, 1, 2, 3],
            id="its global as it was, and as it may be read by the result",
        ),
        pytest.param(["class A: pass", "a = A()", "a"], [0, 1], id="class"),
        pytest.param(
            ["import a.b", "import a.c", "a.b.f()"], [0, 1], id="parts of a package"
        ),
        pytest.param(["import a.b as n", "import a.c as n", "n"], [1], id="other module"),
        pytest.param(["x = 1", "match x:\n    case y: pass", "y"], [0, 1], id="match"),
        pytest.param(["if (x := 1): pass", "x"], [0], id="walrus"),
        pytest.param(["x = y = 1", "print(f'{y}')"], [0], id="formatted"),
        pytest.param(["not python", "x = 1", "x"], [1], id="a cell that does not parse"),
        pytest.param(["max = len", "del max", "max([])"], [0, 1], id="deleted"),
    ],
)
def test_names(cells: list[str], expected: list[int]) -> None:
    assert needed(*cells) == expected


@pytest.mark.parametrize(
    ("cell", "changes"),
    [
        ("x.append(1)", True),
        ("x[0] = 1", True),
        ("x.part = 1", True),
        ("x += [1]", True),
        ("del x[0]", True),
        ("y = x\ny.append(1)", True),
        ("y = {'x': x}\ny['x'].append(1)", True),
        ("for y in x:\n    y.clear()", True),
        ("[y.append(1) for y in x]", True),
        ("package.change(x)", True),
        ("change(x)", True),
        ("change(y=[x])", True),
        ("x.unknown()", True),
        ("x.add_(1)", True),
        ("next(x)", True),
        ("setattr(x, 'a', 1)", True),
        ("x.sort_values('a', inplace=True)", True),
        ("append(x)", True),
        ("keep(x)", False),
        ("print(x, len(x), sorted(x))", False),
        ("x.mean(), x.numpy(), x.to('cpu')", False),
        ("torch.stack(x)", False),
        ("torch.save(x, 'file')", True),
        ("torch.nn.init.zeros_(x)", True),
        ("torch.add(x, x, out=x)", True),
        ("Trainer(x)", False),
        ("Auto.from_pretrained(x)", False),
        ("model(x)", False),
        ("y = len(x)\ny += 1", False),
        ("axes.plot(x)", False),
        ("save(x)", True),
        ("grow()", True),
    ],
)
def test_changes_of_an_object(cell: str, changes: bool) -> None:
    head = """\
        import package, torch
        from package import Auto, Trainer, change
        from torch import save

        def append(items):
            items.append(1)

        def keep(items):
            copy = []
            copy.append(len(items))
            return items

        def grow():
            x.append(1)

        model = axes = object()
        """
    found = needed(head, "x = [[]]", cell, "x")

    assert 1 in found
    assert (2 in found) == changes


def test_a_function_that_changes_an_outer_object() -> None:
    define = "def grow():\n    x.append(1)"

    assert needed("x = []", define, "grow()", "x") == [0, 1, 2]


def test_what_is_made_from_an_object_changes_it() -> None:
    optimizer = "from torch.optim import AdamW\noptimizer = AdamW(model.parameters())"
    cells = ["model = build()", optimizer, "optimizer.step()", "model"]

    assert needed(*cells) == [0, 1, 2]


def test_a_number_does_not_change() -> None:
    assert needed("size = 3", "from package import f\nf(size)", "size") == [0]


def test_a_file_is_read_where_its_folder_was_written() -> None:
    folder = "from tempfile import TemporaryDirectory\nfolder = TemporaryDirectory()"
    save = "model.save_pretrained(folder.name)"
    load = "from package import load\nload(folder.name)"

    assert needed("model = build()", folder, save, load) == [0, 1, 2]


def test_reading_an_iterator_moves_it() -> None:
    assert needed("x = iter('abc')", "for y in x:\n    break", "print(*x)") == [0, 1]
    define = "def numbers():\n    yield 1"
    assert needed(define, "x = numbers()", "list(x)", "list(x)") == [0, 1, 2]


@pytest.mark.parametrize(
    ("setting", "use", "comes"),
    [
        ("import torch\ntorch.set_num_threads(1)", "import torch\ntorch.ones(1)", True),
        ("import torch\ntorch.set_num_threads(1)", "import json\njson.dumps(1)", False),
        ("import torch\ntorch.backends.mkldnn.enabled = False", "import torch", True),
        ("import os\nos.environ['A'] = 'b'", "1 + 1", True),
        ("import warnings\nwarnings.filterwarnings('ignore')", "1 + 1", True),
        ("import matplotlib\nmatplotlib.rc('font', size=9)", "import matplotlib", True),
        ("import matplotlib.pyplot as plt\nplt.show()", "import matplotlib", False),
        ("import torch\nx = torch.ones(1)", "import torch\ntorch.ones(1)", False),
        ("from a.b import logging\nlogging.disable_progress_bar()", "import a", False),
    ],
)
def test_settings(setting: str, use: str, comes: bool) -> None:
    assert needed(setting, use) == ([0] if comes else [])


def test_random_numbers_come_with_their_seed_and_those_drawn_before() -> None:
    cells = [
        "import torch\nfrom transformers import set_seed",
        "set_seed(0)",
        "first = torch.randn(3)",
        "print('nothing')",
        "torch.randn(3)",
    ]

    assert needed(*cells) == [0, 1, 2]
    assert needed(*cells[:4], "print('nothing')") == []
    assert needed(*cells[:3], "set_seed(1)", "torch.randn(3)") == [0, 3]


def test_a_function_that_draws() -> None:
    draw = "def draw():\n    return torch.rand(1)"

    assert needed("import torch", "torch.manual_seed(0)", draw, "draw()") == [0, 1, 2]


def test_a_function_that_calls_itself_ends() -> None:
    cells = ["def f(x):\n    return f(x) if x else x", "x = []", "f(x)", "x"]

    assert needed(*cells) == [1]
