"""Addresses outside the site: their form, and the command that asks them."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from executor import links
from executor.links import Answer, ask, ask_all, collect, find, problem_of

ROOT = Path(__file__).parents[2]
PLACES = collect(ROOT)


def test_every_address_of_the_site_is_well_formed() -> None:
    assert not {url: (p, PLACES[url]) for url in PLACES if (p := problem_of(url))}


def test_the_list_holds_the_addresses_of_pages_and_of_claims() -> None:
    files = {place.rpartition(":")[0] for places in PLACES.values() for place in places}
    assert {"docs/report/courses.md", "docs/use/semantic-search.py"} <= files
    assert "data/claims/history.yml" in files


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/", "not https"),
        ("https://localhost/", "no public name"),
        ("https://127.0.0.1/", "no public name"),
        ("https://-a.org/", "no public name"),
        ("https://example.org:8000/", "a port"),
        ("https://example.org:x/", "cannot be read"),
        ("https://me@example.org/", "a user"),
        ("https://example.org/a%2", "%XX"),
        ("https://example.org/ä", "%XX"),
        ("https://" + "pypi" + ".org/project/torch/", "package registry"),
        ("https://files." + "pythonhosted" + ".org/a.whl", "package registry"),
        ("https://www." + "npmjs" + ".com/package/a", "package registry"),
        ("https://bit.ly/abc", "shortened"),
        ("https://example.org/?utm_source=a&b=c", "trackers: utm_source"),
        ("https://www.youtube.com/watch?v=a&si=b", "trackers: si"),
    ],
)
def test_a_malformed_address_is_found(url: str, words: str) -> None:
    assert words in problem_of(url)


def test_a_plain_address_is_well_formed() -> None:
    assert problem_of("https://en.wikipedia.org/wiki/A_(b)?c=d%20e") == ""


def test_addresses_are_found_where_readers_can_follow_them() -> None:
    text = (
        "[a](https://a.org/b_(c)). See https://d.org/e, <https://f.org/>.\n\n"
        "`https://code.org/`\n\n```text\nhttps://code.org/\n```\n"
        '<a href="https://g.org/h#i">x</a>\n[j]: https://k.org/\n'
    )
    assert find(text) == [
        ("https://a.org/b_(c)", 1),
        ("https://d.org/e", 1),
        ("https://f.org/", 1),
        ("https://g.org/h#i", 8),
        ("https://k.org/", 9),
    ]


# --- asking, on a server of our own ----------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Answers by path, and counts."""

    seen: ClassVar[Counter[tuple[str, str]]] = Counter()
    agents: ClassVar[set[str]] = set()

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.seen[self.command, self.path] += 1
        self.agents.add(self.headers["User-Agent"])
        times = self.seen[self.command, self.path]
        if self.path == "/slow":
            self.server.wait.wait(5)
        status = {
            "/ok": 200,
            "/no-head": 405 if self.command == "HEAD" else 200,
            "/liar": 404 if self.command == "HEAD" else 200,
            "/gone": 404,
            "/moved": 301,
            "/refused": 403,
            "/busy": 429 if self.command == "HEAD" or times == 1 else 200,
            "/down": 500,
            "/slow": 200,
        }[self.path]
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.wait = threading.Event()
    Handler.seen.clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.wait.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "state", "requests"),
    [
        ("/ok", "ok", 1),
        ("/no-head", "ok", 2),
        ("/liar", "ok", 2),
        ("/busy", "ok", 3),
        ("/gone", "broken", 2),
        ("/down", "broken", 3),
        ("/refused", "guarded", 2),
    ],
)
def test_what_becomes_of_an_address(
    site: str, path: str, state: str, requests: int
) -> None:
    assert ask(site + path, seconds=5, pause=0).state == state
    assert Handler.seen.total() == requests


def test_a_moved_page_is_named(site: str) -> None:
    assert ask(f"{site}/moved", pause=0) == Answer(f"{site}/moved", "moved", f"{site}/ok")


def test_a_page_that_does_not_answer_is_given_up(site: str) -> None:
    answer = ask(f"{site}/slow", seconds=0.2, pause=0)
    assert (answer.state, "timed out" in answer.detail) == ("unreachable", True)


def test_a_host_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = ask(f"http://127.0.0.1:{port}/", seconds=1, pause=0)
    assert answer.state == "unreachable"
    assert not links.online(["127.0.0.1"], port=port, seconds=1)


def test_many_addresses_keep_their_order_and_hosts_are_asked_one_by_one(
    site: str,
) -> None:
    other = site.replace("127.0.0.1", "localhost")
    urls = [f"{site}/gone", f"{other}/ok", f"{site}/ok"]
    answers = ask_all(urls, seconds=5, pause=0)
    assert [answer.url for answer in answers] == urls
    assert [answer.state for answer in answers] == ["broken", "ok", "ok"]
    assert Handler.agents == {links.AGENT}


def test_the_report_says_what_is_wrong_and_where() -> None:
    answers = [
        Answer("https://a.org/", "ok", "200"),
        Answer("https://b.org/", "broken", "404"),
    ]
    text = links.report(answers, {"https://b.org/": ["docs/page.md:3"]})
    assert [line.split() for line in text.splitlines()] == [
        ["broken", "https://b.org/", "404"],
        ["docs/page.md:3"],
        ["2", "addresses:", "1", "broken,", "1", "ok"],
    ]


# --- the command -----------------------------------------------------------------------


FACTS = """
title: Facts
groups:
  - title: One
    claims:
      - id: a-fact
        statement: A fact.
        as_of: 2026
        source: A page
        url: https://example.org/a
        verified: read
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "data" / "claims").mkdir(parents=True)
    page = "A [link](https://example.org/a#part) and\nhttps://example.com/.\n"
    (tmp_path / "docs" / "page.md").write_text(page, encoding="utf-8")
    (tmp_path / "data" / "claims" / "facts.yml").write_text(FACTS, encoding="utf-8")
    return tmp_path


def test_the_command_says_that_it_is_offline(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(links, "online", lambda hosts: False)
    assert links.main(["--root", str(project)]) == 2
    assert "none of the 2 addresses was checked" in capsys.readouterr().err


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("guarded", 0), ("broken", 1)])
def test_the_command_fails_when_an_address_is_broken(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    state: str,
    code: int,
) -> None:
    monkeypatch.setattr(links, "online", lambda hosts: True)
    monkeypatch.setattr(
        links, "ask_all", lambda urls, **_: [Answer(url, state, "") for url in urls]
    )
    assert links.main(["--root", str(project)]) == code
    assert f"2 addresses: 2 {state}" in capsys.readouterr().out


def test_a_malformed_address_fails_the_command_and_is_not_asked(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = project / "docs" / "page.md"
    page.write_text("http://example.org/\n", encoding="utf-8")
    monkeypatch.setattr(links, "online", lambda hosts: True)
    monkeypatch.setattr(links, "ask_all", lambda urls, **_: [])
    assert links.main(["--root", str(project)]) == 1
    assert (
        "http://example.org/  it is not https: docs/page.md:1" in capsys.readouterr().out
    )


def test_the_list_asks_nobody(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert links.main(["--root", str(project), "--list"]) == 0
    assert capsys.readouterr().out == "https://example.com/\nhttps://example.org/a\n"
