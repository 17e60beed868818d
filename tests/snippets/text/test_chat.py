import pytest

from snippets.text.chat import last_number, parse_call, reply, run_call

TOOLS = {"multiply": lambda a, b: a * b}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("multiply(3, 4)", ("multiply", [3, 4])),
        (" multiply( -3,4 )\n", ("multiply", [-3, 4])),
        ("The answer is multiply(3, 4)", None),
        ("multiply(3, __import__('os'))", None),
        ("multiply()", None),
    ],
)
def test_only_plain_calls_are_read(text: str, call):
    assert parse_call(text) == call


def test_a_call_runs():
    assert run_call("multiply(31, 27)", TOOLS) == 837


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("twelve", "is not a call"),
        ("divide(8, 2)", "no tool 'divide', wanted one of multiply"),
        ("multiply(1, 2, 3)", "does not fit multiply"),
    ],
)
def test_what_is_no_call_of_a_tool_is_refused(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        run_call(text, TOOLS)


def test_the_last_number_is_the_answer():
    assert last_number("31 * 27 = 1,234.") == 1234
    assert last_number("none") is None


def test_there_must_be_a_question():
    with pytest.raises(ValueError, match="the last role is 'assistant'"):
        reply(None, None, [{"role": "assistant", "content": "Hello."}])
