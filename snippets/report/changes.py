"""What a line of older code does on the installed version, beside its replacement.

Both lines are run. Their text is what the table shows, so the table cannot differ from
what happened. Source of the comparison: the packages that are installed, nothing else.
"""

import ast
import contextlib
import html
import io
import logging
import re
import textwrap
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from typing import Any

LOGGERS = ("transformers", "datasets", "huggingface_hub")
FAILS, DIFFERS, WARNS, SAME = "fails", "differs", "warns", "same"


@dataclass(frozen=True)
class Change:
    """One old line of code, what it does now, and the new line.

    Attributes:
        old: The code of older tutorials.
        new: The code to write today; a comment if nothing replaces the old one.
        outcome: `fails`, `differs` (it runs, with another result), `warns` or `same`.
        message: The error, the warning, or the two results.
    """

    old: str
    new: str
    outcome: str
    message: str


class ChangeTable(list[Change]):
    """Changes that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        head = "<th>Before</th><th>What it does now</th><th>Today</th>"
        rows = "".join(
            f"<tr><td>{_code(change.old)}</td>"
            f"<td><strong>{change.outcome}</strong> {html.escape(change.message)}</td>"
            f"<td>{_code(change.new)}</td></tr>"
            for change in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _code(source: str) -> str:
    """Write code as HTML: lines that may wrap, unless indentation matters."""
    text = html.escape(source)
    if "\n " in text:
        return f"<pre>{text}</pre>"
    return f"<code>{text.replace('\n', '<br>')}</code>"


def _first_sentence(text: str) -> str:
    """Cut a message to its first sentence, without paths and terminal colors."""
    line = re.sub(r"\x1b\[[\d;]*m", "", text).strip().partition("\n")[0]
    line = re.sub(r" \([^()]*\.py\)$", "", line)  # where a module is installed
    return re.split(r"(?<=[.!?]) ", line)[0].removesuffix(".")


def run(code: str, names: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Run code quietly, in names of its own.

    Args:
        code: Statements, the last of which may be an expression.
        names: What the code can use. It cannot change this mapping.

    Returns:
        The value of the last expression or None, and what the code warned of, through
        `warnings` or through the loggers of the three libraries.
    """
    space = dict(names)
    body = ast.parse(code).body
    tail = body[-1] if body and isinstance(body[-1], ast.Expr) else None
    value = None
    keeper = BufferingHandler(capacity=1000)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.handlers for logger in loggers]
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("always")
        try:
            for logger in loggers:
                logger.handlers = [keeper]
            exec(
                compile(ast.Module(body[:-1] if tail else body, []), "<code>", "exec"),
                space,
            )
            if tail:
                value = eval(compile(ast.Expression(tail.value), "<code>", "eval"), space)
        finally:
            for logger, handlers in zip(loggers, before, strict=True):
                logger.handlers = handlers
    said = [str(warning.message) for warning in caught]
    said += [str(r.msg) for r in keeper.buffer if r.levelno >= logging.WARNING]
    return value, [_first_sentence(text) for text in said]


def _name(error: Exception) -> str:
    """Write an error in one line."""
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    line = f"{type(error).__name__}: {_first_sentence(text)}".removesuffix(": ")
    return textwrap.shorten(line, 160, placeholder=" …")


def error_of(code: str, names: Mapping[str, Any]) -> str:
    """Run code that should fail, and name the error.

    Args:
        code: The code.
        names: What the code can use.

    Returns:
        Type and first sentence of the error, such as `KeyError: no such task`; empty if
        the code runs.
    """
    try:
        run(code, names)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        return _name(error)
    return ""


def compare(pairs: Iterable[tuple[str, str]], names: Mapping[str, Any]) -> ChangeTable:
    """Run the old and the new code of each pair.

    Args:
        pairs: The old and the new code. Two last expressions are compared by value.
        names: What the code can use.

    Returns:
        One change for each pair.

    Raises:
        ValueError: If a new form warns, since then it is no advice. Its errors pass.
    """
    changes = ChangeTable()
    for old, new in pairs:
        try:
            value, said = run(old, names)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
            change = Change(old, new, FAILS, _name(error))
        else:
            change = Change(old, new, WARNS if said else SAME, " ".join(said))
        wanted, complaints = run(new, names)
        if complaints:
            raise ValueError(f"{new!r} warns {complaints[0]!r}, wanted silence")
        if change.outcome != FAILS and value != wanted:
            results = f"{value!r}, not {wanted!r}"
            message = ". ".join([*said, results])
            change = Change(old, new, DIFFERS, message)
        changes.append(change)
    return changes
