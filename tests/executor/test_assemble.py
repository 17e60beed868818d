"""Programs: pages with what they import from snippets inlined."""

from typing import Any

import pytest

from executor.assemble import import_statements, syntax_of
from executor.errors import PageError


def test_a_program_says_where_each_line_is_from(project: Any) -> None:
    project.snippet('"""Doc."""\n\n\ndef double(x):\n    return 2 * x\n')
    program = project.program(
        """\
        # %% [markdown]
        # # Title

        # %%
        from snippets.chapter.code import double

        double(2)
        """
    )
    markdown, code = program.cells
    assert (markdown.source, markdown.origins) == ("# Title", ())
    assert program.code == (code,)
    assert "snippets" not in code.source
    lines = code.source.split("\n")
    assert len(lines) == len(code.origins)
    origin = {
        line: (at.path, at.line) for line, at in zip(lines, code.origins, strict=True)
    }
    assert origin["    return 2 * x"] == ("snippets/chapter/code.py", 5)
    assert origin["double(2)"] == ("docs/chapter/page.py", 7)
    assert list(code.definitions) == ["snippets.chapter.code:double"]


def test_an_import_that_cannot_be_inlined_names_the_page_and_line(project: Any) -> None:
    project.snippet('"""Doc."""\n\nX = 1\n')
    with pytest.raises(PageError) as caught:
        project.program("# %%\nx = 1\nfrom snippets.chapter.code import missing\n")
    assert caught.value.place == "docs/chapter/page.py:3"
    assert "no name `missing`" in caught.value.message


def test_import_statements_come_one_a_name(project: Any) -> None:
    program = project.program(
        """\
        # %%
        import os, numpy.linalg as la
        from torch import nn, Tensor as T
        # %%
        import os
        # %%
        def f():
            import inner
        """
    )
    assert import_statements(program) == [
        "import os",
        "import numpy.linalg",
        "from torch import nn",
        "from torch import Tensor",
    ]


def test_a_magic_does_not_hide_imports(project: Any) -> None:
    program = project.program("# %%\n# %precision 3\nimport numpy\nfiles = !ls\n")
    assert program.code[0].source.startswith("%precision 3")
    assert import_statements(program) == ["import numpy"]


def test_an_error_of_syntax_is_left_to_the_run() -> None:
    assert syntax_of("x = = 1").body == []
    assert len(syntax_of("x = 1").body) == 1
