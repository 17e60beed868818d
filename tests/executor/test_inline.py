"""Inlining: what a page shows is what its script imports, or the build says why not."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from executor.inline import Inlined, InlineError, Inliner, Origin

PAGE = "docs/vision/vit.py"


class Project:
    """A folder with snippet modules, and pages that import from them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "snippets").mkdir()
        (root / "snippets" / "__init__.py").write_text('"""Snippets."""\n')

    def module(self, name: str, text: str, *, raw: bool = False) -> Path:
        file = self.root.joinpath("snippets", *name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((text if raw else dedent(text).lstrip("\n")).encode())
        return file

    def page(self, *cells: str) -> list[Inlined]:
        """Inline the cells of a page, the first of which stands at line 1."""
        inliner = Inliner(self.root, PAGE)
        line = 1
        results = []
        for cell in cells:
            results.append(self.checked(inliner.cell(cell, line), cell, line))
            line += 100
        return results

    def inline(self, cell: str) -> str:
        return self.page(cell)[0].source

    def run(self, *cells: str) -> dict[str, Any]:
        """Run the cells after inlining and return what they bind."""
        names: dict[str, Any] = {"__name__": "__main__"}
        for cell in self.page(*cells):
            exec(compile(cell.source, "<cell>", "exec"), names)
        return names

    def error(self, *cells: str) -> str:
        with pytest.raises(InlineError) as caught:
            self.page(*cells)
        return str(caught.value)

    def imported(self, name: str) -> Any:
        file = self.root.joinpath("snippets", *name.split(".")).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(f"reference_{name}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def checked(self, inlined: Inlined, cell: str, line: int) -> Inlined:
        """Check what holds for every cell."""
        lines = inlined.source.replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert len(inlined.origins) == (len(lines) if inlined.source else 0)
        assert len(inlined.digests) == len(inlined.definitions)
        own = cell.replace("\r\n", "\n").split("\n")
        for text, origin in zip(lines, inlined.origins, strict=False):
            if origin.path == PAGE:
                written = own[origin.line - line]
                assert text in written or text.split(" = ")[0] in written
            elif not text.startswith(("import ", "from ")):
                file = (self.root / origin.path).read_text(encoding="utf-8-sig")
                assert text in file.split("\n")[origin.line - 1]
        return inlined


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def show(text: str) -> str:
    return dedent(text).strip("\n")


# What a cell becomes.


def test_an_import_becomes_the_source_with_all_that_it_needs(project: Project) -> None:
    project.module(
        "vision.vit",
        '''
        """Patches. Source: arXiv 2010.11929."""

        import math
        import os

        import torch
        from torch import Tensor, nn

        SIZE = 8  # pixels
        """Side of a patch."""
        OTHER = 9


        def _side(tokens: int) -> int:
            return math.isqrt(tokens)


        # Cuts an image.
        # In squares.
        def patchify(image: Tensor, size: int = SIZE) -> Tensor:
            """Cut an image into patches."""
            return image.reshape(_side(size), -1)  # (N, P)


        def unused() -> nn.Module:
            return os.environ[OTHER]
        ''',
    )
    cell, later = project.page(
        "from snippets.vision.vit import patchify\n\nshow(patchify)",
        "from snippets.vision.vit import patchify\npatchify",
    )
    assert cell.source == show(
        '''
        import math

        from torch import Tensor

        SIZE = 8  # pixels
        """Side of a patch."""


        def _side(tokens: int) -> int:
            return math.isqrt(tokens)


        # Cuts an image.
        # In squares.
        def patchify(image: Tensor, size: int = SIZE) -> Tensor:
            """Cut an image into patches."""
            return image.reshape(_side(size), -1)  # (N, P)


        show(patchify)
        '''
    )
    assert cell.definitions == (
        "snippets.vision.vit:SIZE",
        "snippets.vision.vit:_side",
        "snippets.vision.vit:patchify",
    )
    assert cell.origins[0] == Origin("snippets/vision/vit.py", 3)
    assert cell.origins[-1] == Origin(PAGE, 3)
    assert later.source == "patchify"
    assert later.definitions == ()


def test_the_lines_around_an_import_stay_as_they_are(project: Project) -> None:
    project.module("a", "def f():\n    return 1\n")
    cell = (
        "x = { 'a':1 }\n\n\n\nfrom snippets.a import f  # noqa\nif x :\n\ty = f( )\t\n\n"
    )
    result = project.page(cell)[0]
    assert result.source == (
        "x = { 'a':1 }\n\n\n\ndef f():\n    return 1\n\n\nif x :\n\ty = f( )\t\n\n"
    )
    assert [o.line for o in result.origins if o.path == PAGE] == [
        1,
        2,
        3,
        4,
        6,
        6,
        6,
        7,
        8,
    ]


def test_a_cell_without_snippets_is_returned_as_it_is(project: Project) -> None:
    text = "%matplotlib inline\n!ls\nx = !pwd\nnp?\nfor i in range(3): print( i )\n"
    result = project.page(text)[0]
    assert result.source == text
    assert result.origins == tuple(Origin(PAGE, line) for line in range(1, 6))
    assert project.inline("") == ""
    assert project.inline("def (") == "def ("
    assert project.inline("%%bash\necho 'snip'") == "%%bash\necho 'snip'"
    assert project.inline("await f()\n[x async for x in y]").startswith("await f()")


def test_two_imports_in_one_cell_share_what_they_need(project: Project) -> None:
    project.module(
        "a",
        """
        import math

        ONE = 1


        def f():
            return math.floor(ONE)


        def g():
            return f() + ONE
        """,
    )
    project.module("b", "import math\n\nTWO = math.floor(2.5)\n")
    result = project.page(
        "from snippets.a import f\nfrom snippets.b import TWO\nfrom snippets.a import g\n"
        "z = f() + g() + TWO"
    )[0]
    assert result.source == show(
        """
        import math

        ONE = 1


        def f():
            return math.floor(ONE)


        TWO = math.floor(2.5)


        def g():
            return f() + ONE


        z = f() + g() + TWO
        """
    )
    names = project.run(result.source)
    assert names["z"] == 5


def test_definitions_stand_in_the_order_of_the_module(project: Project) -> None:
    project.module(
        "a",
        """
        def _deco(x):
            return lambda f: lambda: f() + x


        BASE = 10


        class Base:
            size = BASE


        class Child(Base):
            @staticmethod
            def helper():
                return _late()


        @_deco(BASE)
        def top():
            return Child.size + Child.helper()


        def _late():
            return 100
        """,
    )
    result = project.page("from snippets.a import top\nvalue = top()")[0]
    names = [label.split(":")[1] for label in result.definitions]
    assert names == ["_deco", "BASE", "Base", "Child", "top", "_late"]
    assert project.run("from snippets.a import top\nvalue = top()")["value"] == 120


def test_an_alias_is_one_more_line(project: Project) -> None:
    project.module("a", "def f():\n    return 1\n\n\nK = 2\n")
    cells = ["from snippets.a import f as g, K\nx = g()", "from snippets.a import f as g"]
    first, second = project.page(*cells)
    assert first.source == show(
        """
        def f():
            return 1


        K = 2
        g = f
        x = g()
        """
    )
    assert first.origins[5] == Origin(PAGE, 1)
    assert second.source == ""
    assert second.origins == ()
    assert project.inline("from snippets.a import f as f") == "def f():\n    return 1"


def test_a_removed_import_leaves_no_pile_of_blank_lines(project: Project) -> None:
    project.module("a", "X = 1\n")
    first = "from snippets.a import X"
    again = [
        project.page(first, cell)[1].source
        for cell in (
            "from snippets.a import X\n\nprint(X)",
            "y = 1\n\nfrom snippets.a import X\n\nprint(X)",
            "y = 1\n\nfrom snippets.a import X\n",
            "# Now\nfrom snippets.a import X\nprint(X)",
        )
    ]
    assert again == ["print(X)", "y = 1\n\nprint(X)", "y = 1\n", "# Now\nprint(X)"]


def test_the_result_is_formatted(project: Project) -> None:
    """Ruff's formatter has nothing to change in what the inliner puts together."""
    project.module(
        "a",
        '''
        """Doc."""

        import math

        import torch
        from torch import nn
        from typing import TYPE_CHECKING, overload

        if TYPE_CHECKING:
            from torch import Tensor
        try:
            import fast
        except ImportError:
            fast = None

        # Sizes
        A = 1
        B = A

        # Others
        C = 3
        """About C."""


        @overload
        def f(x: int) -> int: ...
        @overload
        def f(x: str) -> str: ...
        def f(x):
            return math.floor(A)


        if A:

            def g() -> "Tensor":
                return nn.Linear(fast, torch)
        else:

            def g():
                return f(C, B)


        D = 4
        type E = list[int]


        class K:
            x: E = D

            def m(self):
                return g()
                # the end of m


        F = K
        ''',
    )
    cells = [
        "from snippets.a import F, g\n",
        "from snippets.a import A\n\n\ndef own():\n    return A\n",
        "import os\nfrom snippets.a import f\n\nprint(os, f)\n",
        (
            "import os\n\n# About D\nfrom snippets.a import D\n"
            "from snippets.a import K\n\nx = 1\n"
        ),
        "# About K\nfrom snippets.a import K\n\n# Next\nx = 1\n",
        "x = 1\n# About K\nfrom snippets.a import K\n\n# Next\nx = 1\n",
        (
            "x = 1\n\n\n# About f\nfrom snippets.a import f\n\n\n"
            "# Next\nclass X:\n    pass\n"
        ),
        "from snippets.a import D as d, f as h\nimport os\n",
        "from snippets.a import torch, D\nfrom snippets.a import math\n\nx = 1\n",
    ]
    for number, cell in enumerate(cells):
        (project.root / f"{number}.py").write_text(project.inline(cell))
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--no-cache",
        "--isolated",
        "--diff",
    ]
    files = [f"{number}.py" for number in range(len(cells))]
    done = subprocess.run(
        [*command, *files], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0


# Which names come along.

SHADOWED = {
    "parameter": "def f(helper):\n    return helper",
    "local": "def f():\n    helper = 1\n    return helper",
    "loop": "def f():\n    for helper in ():\n        helper()",
    "comprehension": "def f(xs):\n    return [helper for helper in xs]",
    "nested comprehension": (
        "def f(xs):\n    return [[helper + y for y in xs] for helper in xs if helper]"
    ),
    "comprehension at the top": "f = [helper for helper in range(3)]",
    "dict comprehension": "f = {helper: 1 for helper in range(3)}",
    "generator": "f = sum(helper for helper in range(3))",
    "lambda": "f = lambda helper=1: helper",
    "keyword": "def f():\n    return dict(helper=1)",
    "attribute": "def f(x):\n    return x.helper",
    "nested function": (
        "def f():\n    def helper():\n        return 1\n\n    return helper()"
    ),
    "closure": "def f(helper):\n    def g():\n        return helper\n\n    return g",
    "class attribute": "class f:\n    helper = 1\n    twice = helper * 2",
    "method": (
        "class f:\n    def helper(self):\n        return self.helper\n\n    g = helper"
    ),
    "except": (
        "def f():\n    try:\n"
        "        f()\n    except OSError as helper:\n        raise helper"
    ),
    "with": "def f():\n    with open('x') as helper:\n        helper.read()",
    "import": "def f():\n    import os as helper\n\n    return helper",
    "match": (
        "def f(x):\n    match x:\n        case [helper, *_]:\n            return helper"
    ),
    "type parameter": "def f[helper](x: helper) -> helper:\n    return x",
    "type parameter of a class": "class f[helper]:\n    x: helper",
    "type alias": "type f[helper] = list[helper]",
    "walrus": "def f(x):\n    return [helper for y in x if (helper := y)]",
    "string": "def f():\n    '''helper'''\n    return 'helper()'",
    "literal": "def f(x: Literal['helper']): ...",
    "not an expression": "def f(x: 'helper of mine'): ...",
    "text of Annotated": "def f(x: Annotated[int, 'helper']): ...",
    "comment": "def f():\n    return 1  # helper",
}


@pytest.mark.parametrize("case", SHADOWED)
def test_a_name_of_its_own_does_not_pull_in_the_module_s(
    project: Project, case: str
) -> None:
    project.module("a", f"def helper():\n    return 'module'\n\n\n{SHADOWED[case]}\n")
    assert project.page("from snippets.a import f")[0].definitions == ("snippets.a:f",)


NEEDED = {
    "call": "def f():\n    return helper()",
    "default": "def f(x=helper): ...",
    "keyword default": "def f(*, x=helper): ...",
    "lambda default": "f = lambda helper=helper: helper",
    "lambda body": "f = lambda: helper",
    "decorator": "@helper\ndef f(): ...",
    "decorator with arguments": "@print(key=[helper])\nclass f: ...",
    "annotation": "def f(x: helper): ...",
    "return annotation": "async def f() -> list[helper]: ...",
    "text annotation": "def f(x: 'list[helper] | None'): ...",
    "text in an annotation": "def f() -> list['helper']: ...",
    "first of Annotated": "def f(x: Annotated['helper', 'text']): ...",
    "annotation of a variable": "f: 'helper' = 1",
    "annotation of an attribute": "class f:\n    x: 'helper'",
    "local annotation": "def f():\n    x: helper = 1\n    return x",
    "base": "class f(helper): ...",
    "metaclass": "class f(metaclass=helper): ...",
    "class body": "class f:\n    x = helper",
    "class attribute from the module": "class f:\n    helper = helper",
    "class attribute after use": "class f:\n    x = helper\n    helper = 1",
    "class attribute that may be": (
        "class f:\n    if int():\n        helper = 1\n    x = helper"
    ),
    "class attribute in a method": (
        "class f:\n    helper = 1\n\n    def m(self):\n        return helper"
    ),
    "generator in a class": "class f:\n    x = [y for y in helper]",
    "nested": "def f():\n    def g():\n        return lambda: helper\n\n    return g",
    "f-string": "def f(x):\n    return f'{x:{helper}}'",
    "f-string, nested": "def f(x):\n    return f'{f\"{helper!r}\"}'",
    "comprehension": "def f(x):\n    return {y: helper for y in x}",
    "first iterable": "f = [helper for helper in helper]",
    "one comprehension hides it from another": (
        "def f(x):\n    return [helper for helper in x] + [y + helper for y in x]"
    ),
    "the same at the top": "f = [helper for helper in []] + [y + helper for y in []]",
    "condition": "f = [y for y in [] if helper]",
    "async": (
        "async def f(x):\n"
        "    async with helper as y:\n        return [z async for z in y]"
    ),
    "match": (
        "def f(x):\n    match x:\n"
        "        case helper.A | helper(y=1):\n            return 1"
    ),
    "bound": "def f[T: helper](x: T): ...",
    "type alias": "type f[T] = dict[T, helper]",
    "generic base": "class f[T](list[helper]): ...",
    "except": "def f():\n    try:\n        f()\n    except helper:\n        pass",
    "with": "def f():\n    with helper:\n        pass",
    "del": "def f():\n    del helper[0]",
    "attribute": "def f():\n    helper.x = 1",
    "star": "def f(*args: *helper): ...",
    "yield": "def f():\n    yield from helper",
    "condition at the top": "if helper:\n    f = 1\nelse:\n    f = 2",
    "walrus": "f = (g := helper) or 1",
    "tuple": "f, (g, *h) = helper",
}


@pytest.mark.parametrize("case", NEEDED)
def test_a_name_of_the_module_comes_along(project: Project, case: str) -> None:
    project.module("a", f"def helper():\n    return 'module'\n\n\n{NEEDED[case]}\n")
    definitions = project.page("from snippets.a import f")[0].definitions
    assert definitions[:2] == ("snippets.a:helper", "snippets.a:f")


def test_all_statements_that_bind_a_name_come_along(project: Project) -> None:
    text = """
        X = 1
        Y = X
        X += 1

        if X > 1:
            def pick():
                return "large"
        else:
            def pick():
                return "small"

        try:
            import json_that_is_missing as codec
        except ImportError:
            codec = None

        A = (B := 3) + 1
        C, *D = 1, 2, 3
        D += [4]
        """
    project.module("a", text)
    reference = project.imported("a")
    cells = [f"from snippets.a import {name}" for name in ("X", "Y", "pick", "codec")]
    names = project.run(*cells, "from snippets.a import B\nfrom snippets.a import C")
    for name in ("X", "Y", "A", "B", "C", "D", "codec"):
        assert names[name] == getattr(reference, name)
    assert names["pick"]() == "large"
    assert project.inline("from snippets.a import B") == "A = (B := 3) + 1"


def test_names_for_type_checking_come_as_the_block(project: Project) -> None:
    project.module(
        "a",
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from collections.abc import Iterable, Sized


        def f(x: "Iterable[int]") -> int:
            return sum(x)
        """,
    )
    text = project.inline("from snippets.a import f\nn = f([1, 2])")
    assert "if TYPE_CHECKING:\n    from collections.abc import Iterable, Sized\n" in text
    assert text.startswith("from typing import TYPE_CHECKING\n")
    own = "from collections.abc import Iterable"
    assert project.run(own, "from snippets.a import f\nn = f([1, 2])")["n"] == 3


def test_definitions_that_need_each_other(project: Project) -> None:
    project.module(
        "a",
        """
        def even(n):
            return n == 0 or odd(n - 1)


        def odd(n):
            return n != 0 and even(n - 1)
        """,
    )
    assert project.run("from snippets.a import odd\nx = odd(5)")["x"] is True


def test_dunder_names_and_main_guard(project: Project) -> None:
    project.module(
        "a",
        """
        __all__ = ["f"]
        __version__ = "1.2"


        def f():
            return __name__, __version__


        if __name__ == "__main__":
            import snippets.b

            print(f())
        """,
    )
    text = project.inline("from snippets.a import f")
    assert text == '__version__ = "1.2"\n\n\ndef f():\n    return __name__, __version__'
    assert project.inline("from snippets.a import __all__") == '__all__ = ["f"]'


def test_old_and_new_syntax_runs_as_in_the_module(project: Project) -> None:
    project.module(
        "a",
        '''
        import asyncio
        from dataclasses import dataclass

        type Pair[T] = tuple[T, T]
        größe = 3; unused = 4; ñ = "é"; other = größe \\
            + 1


        @dataclass(frozen=True)
        class Point[T]:
            x: T
            y: T = größe

            def swap(self) -> "Pair[T]":
                match self:
                    case Point(x=x, y=y):
                        return y, x


        async def _one(x):
            return x


        def text():
            return """
        from snippets.x import y
            odd\tindentation
        """


        def run[T](x: T) -> T:
            return asyncio.run(_one(x)), ñ, other, Point(1).swap()
        ''',
    )
    cell = "from snippets.a import run, text\nx = run(7), text()"
    names = project.run(cell)
    module = project.imported("a")
    assert names["x"] == (module.run(7), module.text())
    source = project.inline(cell)
    assert 'größe = 3\nñ = "é"\nother = größe \\\n    + 1\n' in source
    assert "unused" not in source


def test_comments_and_odd_formatting_are_kept(project: Project) -> None:
    text = (
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# License\n"
        "def f( x ):\t# why\n\n\tif x :\n\t\treturn  1\n"
        "\t# indented\n\n    # also\n# of g\n"
        "def g():  return ( f\n  (1) )  # end\n# not g\n\nX = 1;\nY = 2;  # two\n"
    )
    project.module("a", text, raw=True)
    assert project.inline("from snippets.a import f") == (
        "# License\ndef f( x ):\t# why\n\n\tif x :\n"
        "\t\treturn  1\n\t# indented\n\n    # also"
    )
    assert project.inline("from snippets.a import g").endswith(
        "\n\n\n# of g\ndef g():  return ( f\n  (1) )  # end"
    )
    assert project.inline("from snippets.a import X, Y") == "X = 1;\nY = 2;  # two"


def test_crlf_and_bom(project: Project) -> None:
    text = '\ufeff"""Doc."""\r\nimport math\r\n\r\n\r\n'
    text += 'def f():\r\n    return """a\r\nb"""\r\n'
    project.module("a", text, raw=True)
    assert project.inline("from snippets.a import f\nx = f()") == (
        'def f():\n    return """a\nb"""\n\n\nx = f()'
    )
    page = project.page("import os\r\nfrom snippets.a import f\r\nx = f()\r\n")[0]
    assert page.source == (
        'import os\r\n\r\n\r\ndef f():\r\n    return """a\r\nb"""\r\n\r\n\r\nx = f()\r\n'
    )


# Imports.


def test_an_import_is_narrowed_to_what_is_needed(project: Project) -> None:
    project.module(
        "a",
        """
        import os, sys as system  # both
        import xml.dom, xml.sax
        from typing import (  # head
            # first
            Any,  # any
            Final as F,

            # last
            Literal, Never
        )  # tail
        from collections import \\
            OrderedDict, deque
        from a_module_with_a_long_name import first_long_name, second_long_name, third


        def one():
            return system


        def two(x: Any, y: F):
            return Literal


        def three():
            return os, system, Never, Any, F, Literal


        def four():
            return deque


        def five():
            return first_long_name, second_long_name


        def six():
            return xml
        """,
    )

    def head(name: str) -> list[str]:
        return (
            project.inline(f"from snippets.a import {name}").split("\n\n")[0].split("\n")
        )

    assert head("one") == ["import sys as system  # both"]
    assert head("two") == [
        "from typing import (  # head",
        "    # first",
        "    Any,  # any",
        "    Final as F,",
        "    # last",
        "    Literal,",
        ")  # tail",
    ]
    assert head("three")[0] == "import os, sys as system  # both"
    assert head("three")[1] == "from typing import (  # head"
    assert (
        project.inline("from snippets.a import three").count("    Literal, Never\n") == 1
    )
    assert head("four") == ["from collections import deque"]
    assert head("five") == [
        "from a_module_with_a_long_name import first_long_name, second_long_name"
    ]
    assert head("six") == ["import xml.dom, xml.sax"]


def test_an_import_that_the_page_has_is_not_repeated(project: Project) -> None:
    project.module(
        "a",
        """
        import math
        import os.path
        from json import dumps, loads


        def f():
            return math.pi, dumps, os


        def g():
            return f(), loads
        """,
    )
    first, second = project.page(
        "import math\nfrom json import dumps\nfrom snippets.a import f",
        "from snippets.a import g",
    )
    assert first.source.startswith(
        "import math\nfrom json import dumps\nimport os.path\n\n\ndef f():"
    )
    assert second.source == (
        "from json import loads\n\n\ndef g():\n    return f(), loads"
    )
    below = project.inline("from snippets.a import f\nimport math")
    assert below.count("import math") == 2
    block = project.page(
        "try:\n    import math\nexcept OSError: pass", "from snippets.a import f"
    )
    assert "import math" in block[1].source


def test_two_spellings_of_one_import_agree(project: Project) -> None:
    project.module("a", "import os.path as path\n\n\ndef f():\n    return path\n")
    page = project.page("from os import path", "from snippets.a import f")
    assert page[1].source == "def f():\n    return path"


def test_an_imported_name_can_be_asked_for(project: Project) -> None:
    project.module("a", "from math import pi, tau\n")
    assert project.inline("from snippets.a import tau") == "from math import tau"


def test_an_import_that_is_replaced_later_keeps_its_place(project: Project) -> None:
    project.module(
        "a",
        (
            "import json\n\nX = 1\njson = json.loads\n\n\n"
            "def f():\n    return json('1') + X\n"
        ),
    )
    assert project.run("from snippets.a import f\nx = f()")["x"] == 2


# How a page writes its imports.


def test_parentheses_comments_and_backslashes_in_the_page(project: Project) -> None:
    project.module("a", "X = 1\nY = 2\nZ = 3\n")
    cell = (
        "before = 1  # from snippets.a import W\n"
        "from snippets.a import (  # the\n    X,  # first\n    # and\n"
        "    Y as W,\n)  # end\n"
        "from snippets.a import \\\n    Z\n"
        "after = '''\nfrom snippets.a import Q\n'''"
    )
    result = project.page(cell)[0]
    assert result.source == (
        "before = 1  # from snippets.a import W\nX = 1\nY = 2\nW = Y\nZ = 3\n"
        "after = '''\nfrom snippets.a import Q\n'''"
    )
    assert [origin.line for origin in result.origins] == [1, 1, 2, 5, 3, 9, 10, 11]


def test_semicolons_in_the_page(project: Project) -> None:
    project.module("a", "X = 1\n\n\ndef f():\n    return X\n")
    cell = "é = 0; from snippets.a import X; from snippets.a import f; y = f()  # why\n"
    cell += "z = é;"
    assert project.inline(cell) == (
        "é = 0\nX = 1\n\n\ndef f():\n    return X\n\n\ny = f()  # why\nz = é;"
    )
    assert project.inline("from snippets.a import X; \\\nz = X") == "X = 1\nz = X"
    message = project.error("y = 1; \\\nfrom snippets.a import X")
    assert message.startswith(f"{PAGE}:2: ")
    assert "backslash" in message


# What cannot be done, and what to do instead.

WRITTEN_WRONGLY = {
    "x = 1\nimport snippets.a": (2, "`from snippets.a import name`"),
    "import os, snippets.a as a": (1, "`from snippets.a import name`"),
    "import snippets": (1, "`from snippets import name`"),
    "from snippets.a import *": (1, "name what you need of: X, helper"),
    "from snippets import a": (1, "`from snippets.a import name`"),
    "from snippets import deep": (1, "is a module"),
    "from snippets.deep import b": (1, "`from snippets.deep.b import name`"),
    "def g():\n    from snippets.a import X": (2, "move it to the top level"),
    "if 1:\n    pass\nelse:\n    from snippets.a import X": (
        4,
        "move it to the top level",
    ),
    "try:\n    import snippets.a\nexcept: pass": (2, "`from snippets.a import name`"),
    "from .a import X": (1, "relative"),
    "def g():\n    from .. import X": (2, "relative"),
    "from snippets.a import X, y": (1, "has no name `y`"),
    "from snippets.a import helpr": (1, "did you mean `helper`? It has: X, helper"),
    "from snippets.aa import X": (1, "no module `snippets.aa`; there are: snippets.a,"),
    "from snippets.deep.a import X": (1, "there are: snippets.deep.b, snippets.a"),
    "from snippets.deep import X": (1, "`snippets.deep` is a folder of modules"),
    "%timeit 1\nfrom snippets.a import X": (1, "`%timeit 1` is not Python"),
    "from snippets.a import X\n\n!ls": (3, "`!ls` is not Python"),
    "from snippets.a import X\nx = (": (2, "not valid Python: '(' was never closed"),
}


@pytest.mark.parametrize("cell", WRITTEN_WRONGLY)
def test_an_import_that_cannot_be_replaced(project: Project, cell: str) -> None:
    project.module("a", "X = 1\n\n\ndef helper(): ...\n\n\ndef _private(): ...\n")
    project.module("deep.b", "Y = 1\n")
    line, text = WRITTEN_WRONGLY[cell]
    message = project.error("y = 0", cell)
    assert message.startswith(f"{PAGE}:{100 + line}: ")
    assert text in message


BROKEN = {
    "def broken(:": (3, "syntax error"),
    "from snippets.b import g": (3, "do not import one another"),
    "def g():\n    import snippets.b": (4, "do not import one another"),
    "from .b import g": (3, "do not import one another"),
    "from math import *": (3, "import the names that are used"),
    "print('x')": (3, "`print('x')` at the top level"),
    "(n := 1)": (3, "at the top level"),
    "X.y = 1": (3, "`X.y = 1` at the top level"),
    "X[0] = 1": (3, "at the top level"),
    "X[0] += 1": (3, "at the top level"),
    "a, X.y = 1, 2": (3, "at the top level"),
    "del X": (3, "`del X` at the top level"),
    "with open('x'): pass": (3, "at the top level"),
    "for i in range(3): pass": (3, "`for i in range(3):` at the top level"),
    "while False: pass": (3, "at the top level"),
    "assert X": (3, "at the top level"),
    "raise OSError": (3, "at the top level"),
    "if X:\n    print(1)": (4, "at the top level"),
    "try:\n    pass\nexcept OSError:\n    print(1)": (6, "at the top level"),
    "__file__ = 'x'": (3, "choose another name"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_module_that_cannot_be_placed(project: Project, code: str) -> None:
    project.module("a", f'"""Doc."""\nX = 1\n{code}\n', raw=True)
    line, text = BROKEN[code]
    message = project.error("y = 0\nfrom snippets.a import X")
    assert message.startswith(f"{PAGE}:2: snippets/a.py:{line}: ")
    assert text in message


def test_a_module_with_a_future_import(project: Project) -> None:
    project.module("a", '"""Doc."""\nfrom __future__ import annotations\n\nX = 1\n')
    message = project.error("from snippets.a import X")
    assert message.startswith(f"{PAGE}:1: snippets/a.py:2: ")
    assert "__future__" in message


def test_a_module_that_is_not_text(project: Project) -> None:
    project.module("a", "").write_bytes(b"X = 1 # \xff\n")
    assert f"{PAGE}:1: snippets/a.py:1: " in project.error("from snippets.a import X")
    project.module("b", "X = '\0'\n", raw=True)
    assert f"{PAGE}:1: snippets/b.py:1: " in project.error("from snippets.b import X")


def test_only_needed_definitions_have_to_do_without_file_and_global(
    project: Project,
) -> None:
    project.module(
        "a",
        """
        from pathlib import Path

        COUNT = 0
        HERE = Path(__file__).parent


        def count():
            global COUNT
            COUNT += 1


        def read():
            return HERE.read_text()


        def fine():
            return COUNT
        """,
    )
    assert project.run("from snippets.a import fine\nx = fine()")["x"] == 0
    message = project.error("from snippets.a import read")
    assert message.startswith(f"{PAGE}:1: snippets/a.py:4: `__file__`")
    message = project.error("from snippets.a import count")
    assert message.startswith(f"{PAGE}:1: snippets/a.py:8: `global COUNT`")


def test_two_modules_with_one_name(project: Project) -> None:
    project.module("a", "N = 1\n\n\ndef f():\n    return N\n")
    project.module("b", "N = 2\n\n\ndef g():\n    return N\n")
    project.module("c", "N = 1\n\n\ndef h():\n    return N\n")
    message = project.error("from snippets.a import f", "x = 1\nfrom snippets.b import g")
    assert message.startswith(f"{PAGE}:102: ")
    assert "places `N` (snippets/b.py:1), but snippets/a.py:1 already binds" in message
    names = project.run(
        "from snippets.a import f", "from snippets.c import h\nx = f() + h()"
    )
    assert names["x"] == 2
    page = project.page("from snippets.a import f", "from snippets.c import h")
    assert page[1].definitions == ("snippets.c:h",)


EARLIER = {
    "def": "def load(): ...",
    "class": "class load: ...",
    "assignment": "load = 3",
    "tuple": "a, (load, b) = 1, (2, 3)",
    "loop": "for load in []: pass",
    "with": "with a as load: pass",
    "walrus": "[load := x for x in []]",
    "import": "from elsewhere import load",
    "another import": "import load",
    "function": "def g():\n    global load\n    load = 1",
    "match": "match 1:\n    case load: pass",
    "type": "type load = int",
    "in a cell with magics": "%matplotlib inline\nload = !ls",
}


@pytest.mark.parametrize("case", EARLIER)
def test_a_name_that_the_page_has_taken(project: Project, case: str) -> None:
    project.module("a", "SIZE = 1\n\n\ndef load():\n    return SIZE\n")
    line = 2 if case == "in a cell with magics" else 1
    message = project.error(EARLIER[case], "from snippets.a import load")
    assert message.startswith(f"{PAGE}:101: ")
    assert "`load` (snippets/a.py:4)" in message
    assert f"{PAGE}:{line} already binds `load`" in message


def test_names_inside_the_page_s_own_scopes_are_free(project: Project) -> None:
    project.module("a", "def load():\n    return 1\n")
    names = project.run(
        "x = [load for load in 'ab']\ndef g(load):\n    return load",
        "from snippets.a import load\ny = load()",
    )
    assert names["y"] == 1


LATER = {
    "SIZE = 64": "`SIZE`",
    "SIZE += 1": "`SIZE`",
    "for SIZE in range(3): pass": "`SIZE`",
    "import numpy as math": "`math`",
    "def _scale(): ...": "`_scale`",
    "max = 3": "`max`",
    "from snippets.b import max": "`max`",
    "from snippets.b import Z as SIZE": "`SIZE`",
}


@pytest.mark.parametrize("cell", LATER)
def test_a_later_cell_cannot_change_what_placed_code_uses(
    project: Project, cell: str
) -> None:
    """In the script, the names of a module and of the page are not the same."""
    project.module(
        "a",
        """
        import math

        SIZE = 1


        def _scale(x):
            return max(math.floor(x), SIZE)


        def load(x):
            return _scale(x)
        """,
    )
    project.module("b", "Z = 1\n\n\ndef max():\n    return 1\n")
    message = project.error("from snippets.a import load", cell)
    assert message.startswith(f"{PAGE}:101: ")
    assert LATER[cell] in message
    assert "snippets/a.py" in message


def test_a_builtin_that_the_page_has_replaced(project: Project) -> None:
    project.module("a", "def f(x):\n    return sum(x)\n")
    message = project.error("sum = 3", "from snippets.a import f")
    assert message.startswith(
        f"{PAGE}:101: `f` (snippets/a.py:1) needs Python's own `sum`"
    )


def test_a_requested_name_may_be_reused_if_nothing_needs_it(project: Project) -> None:
    project.module("a", "def digits():\n    return 7\n")
    cells = ["from snippets.a import digits", "digits = digits()"]
    assert project.run(*cells)["digits"] == 7
    message = project.error(*cells, "from snippets.a import digits")
    assert message.startswith(f"{PAGE}:201: ")


# The cache.


def test_a_module_that_changed_is_parsed_again(project: Project) -> None:
    file = project.module("a", "X = 1\n")
    first = project.page("from snippets.a import X")[0]
    file.write_text("X = 12\n")
    os.utime(file, ns=(1, 1))
    second = project.page("from snippets.a import X")[0]
    assert (first.source, second.source) == ("X = 1", "X = 12")
    assert first.digests != second.digests


def test_a_digest_follows_the_definition_only(project: Project) -> None:
    text = "def f():\n    return 1\n\n\ndef g():\n    return {}\n"
    digests = []
    for number in (1, 23):
        project.module("a", text.format(number))
        page = project.page("from snippets.a import f, g")[0]
        digests.append(dict(zip(page.definitions, page.digests, strict=True)))
    assert digests[0]["snippets.a:f"] == digests[1]["snippets.a:f"]
    assert digests[0]["snippets.a:g"] != digests[1]["snippets.a:g"]


def test_the_project_s_own_modules_can_be_placed() -> None:
    root = Path(__file__).parents[2]
    for file in sorted(root.glob("snippets/*/*.py")):
        if file.name == "__init__.py":
            continue
        names = [
            line.split("(")[0].split(":")[0].split()[-1]
            for line in file.read_text().splitlines()
            if line.startswith(("def ", "class ", "async def "))
        ]
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        cell = f"from {module} import {', '.join(names)}"
        result = Inliner(root, PAGE).cell(cell, 1)
        compile(result.source, file.name, "exec")
        assert {f"{module}:{name}" for name in names} <= set(result.definitions)
