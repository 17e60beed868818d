"""What readers of the page on changed interfaces rely on."""

import logging

import pytest

from snippets.report.changes import ChangeTable, compare, error_of, run


def one(old: str, new: str) -> tuple[str, str]:
    (change,) = compare([(old, new)], {"word": "cat"})
    return change.outcome, change.message


def test_run_gives_the_last_value_and_keeps_names_apart() -> None:
    names = {"count": 1}
    assert run("count = count + 1\ncount", names) == (2, [])
    assert run("count = 5", names) == (None, [])
    assert run("# nothing to do", names) == (None, [])
    assert names == {"count": 1}


def test_run_hears_warnings_and_logs(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import warnings\nwarnings.warn('old. Use new.', FutureWarning)"
    assert run(code, {}) == (None, ["old"])
    code = (
        "import logging\n"
        "logging.getLogger('transformers').warning('first line\\nsecond line')\n"
        "print('noise')"
    )
    assert run(code, {}) == (None, ["first line"])
    assert capsys.readouterr() == ("", "")


def test_run_hears_a_log_record_with_a_wrong_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("datasets"), "propagate", False)
    code = "import logging\nlogging.getLogger('datasets').warning('gone', UserWarning)"
    assert run(code, {}) == (None, ["gone"])


def test_run_puts_the_handlers_back_after_an_error() -> None:
    logger = logging.getLogger("transformers")
    before = logger.handlers
    with pytest.raises(ZeroDivisionError):
        run("1 / 0", {})
    assert logger.handlers is before


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1", ""),
        ("{}['no task. Sorry.']", "KeyError: no task"),
        ("raise AttributeError", "AttributeError"),
        (
            "from snippets.report.changes import gone",
            "ImportError: cannot import name 'gone' from 'snippets.report.changes'",
        ),
    ],
)
def test_error_of_names_the_error_without_paths(code: str, message: str) -> None:
    assert error_of(code, {}) == message


def test_a_long_error_is_cut() -> None:
    assert len(error_of("raise ValueError('word ' * 100)", {})) <= 160


def test_the_four_outcomes() -> None:
    assert one("word.gone", "word") == (
        "fails",
        "AttributeError: 'str' object has no attribute 'gone'",
    )
    assert one("word.upper()", "word") == ("differs", "'CAT', not 'cat'")
    warned = "import warnings\nwarnings.warn('old', stacklevel=1)\nword"
    assert one(warned, "word") == ("warns", "old")
    assert one("str(word)", "word") == ("same", "")


def test_advice_that_fails_or_warns_is_refused() -> None:
    with pytest.raises(NameError):
        compare([("1", "gone")], {})
    with pytest.raises(ValueError, match="wanted silence"):
        compare([("1", "import warnings\nwarnings.warn('old', stacklevel=1)")], {})


def test_the_table_escapes_code() -> None:
    table = compare([("1 < 2", "2 > 1")], {})
    assert isinstance(table, ChangeTable)
    page = table._repr_html_()
    assert "<code>1 &lt; 2</code>" in page
    assert page.count("<tr>") == 2


def test_the_table_keeps_lines_and_indentation() -> None:
    page = compare([("1\n2", "if True:\n    1")], {})._repr_html_()
    assert "<code>1<br>2</code>" in page
    assert "<pre>if True:\n    1</pre>" in page
