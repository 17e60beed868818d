"""Every address outside the site: collected, checked for form, and, when online, asked.

`python -m executor.links` asks each address and reports what does not answer. It asks one
host at a time and with pauses, first for the head of the page alone. Without a network it
says so and exits with 2; broken addresses exit with 1. A build never does this.
"""

from __future__ import annotations

import argparse
import http.client
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from executor import claims, pages

AGENT = "hugging-face-field-report link check (one request a second a host)"
_URL = re.compile(r"https?://[^\s<>\"'`|\\\[\]{}]+")
_FENCES = re.compile(
    r"^(?P<f>[ \t]*(?:`{3,}|~{3,}))[^\n]*\n.*?^(?P=f)[`~]*[ \t]*$"
    r"|(?<!`)(`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)\2(?!`)",
    re.DOTALL | re.MULTILINE,
)
_HOST = re.compile(r"(?=.{4,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+[a-z]{2,63}")
# In parts, so that this file does not name them either.
_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("anaconda", "org"),
        ("deb.debian", "org"),
        ("archive.ubuntu", "com"),
        ("download.pytorch", "org"),
    )
)
# They hide where a link leads, or count who follows it.
_SHORTENERS = (
    "bit.ly",
    "t.co",
    "goo.gl",
    "tinyurl.com",
    "lnkd.in",
    "ow.ly",
    "eepurl.com",
)
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|msclkid|mc_[ce]id|ref_src|igshid|si|guccounter"
)
_GONE = frozenset({404, 410})
_GUARDED = frozenset({401, 403, 405, 406, 418, 429, 451, 503, 999})
"""Answers of a host that is there but does not like programs."""


@dataclass(frozen=True)
class Answer:
    """What became of one address.

    Attributes:
        url: The address.
        state: `ok`, `moved`, `guarded` (the host refuses programs), `broken` or
            `unreachable`.
        detail: The status, the new address or the error.
    """

    url: str
    state: str
    detail: str


# --- collecting ------------------------------------------------------------------------


def _trim(url: str) -> str:
    """Takes off what belongs to the sentence: `(https://a.org/b).` is `https://a.org/b`."""
    while url and (
        url[-1] in ".,;:!?*_" or (url[-1] == ")" and url.count("(") < url.count(")"))
    ):
        url = url[:-1]
    return url


def find(text: str) -> list[tuple[str, int]]:
    """Finds the addresses in Markdown, without code, each with its line from 1."""
    prose = _FENCES.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return [
        (_trim(match[0]), prose.count("\n", 0, match.start()) + 1)
        for match in _URL.finditer(prose)
    ]


def collect(root: Path) -> dict[str, list[str]]:
    """Collects every address outside the site from docs/ and data/claims/.

    Args:
        root: The project's root.

    Returns:
        For each address, without its `#part`, the places as `file:line`, in order.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    docs = root / "docs"
    for path in sorted([*docs.rglob("*.md"), *pages.find_pages(docs)]):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".py":
            cells = pages.read_page(root, path).cells
            parts = [(c.source, c.line) for c in cells if c.kind == "markdown"]
        else:
            parts = [(path.read_text(encoding="utf-8"), 1)]
        for text, first in parts:
            for url, line in find(text):
                found[url.partition("#")[0]].append(f"{name}:{first + line - 1}")
    for claim in claims.load(root / "data" / "claims"):
        if claim.url:
            place = f"data/claims/{claim.file}.yml:{claim.line}"
            found[claim.url.partition("#")[0]].append(place)
    return dict(sorted(found.items()))


# --- checking the form -----------------------------------------------------------------


def problem_of(url: str) -> str:
    """Tells what is wrong with the form of an address; empty if nothing is.

    Args:
        url: The address.

    Returns:
        A sentence, or an empty text.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"it cannot be read: {error}"
    host = (parts.hostname or "").lower()
    if parts.scheme != "https":
        return "it is not https"
    if parts.username or parts.password or port:
        return "it carries a user, a password or a port"
    if not _HOST.fullmatch(host):
        return f"the host {host!r} is no public name"
    if not url.isascii() or re.search(r"[\s<>\"\\^`{|}]|%(?![0-9A-Fa-f]{2})", url):
        return "it holds a character that must be written as %XX"
    if any(host == name or host.endswith(f".{name}") for name in _REGISTRIES):
        return "it leads to a package registry; name the package and its version"
    if host.removeprefix("www.") in _SHORTENERS:
        return "it is shortened; give the address itself"
    if marks := [k for k, _ in parse_qsl(parts.query, True) if _TRACKING.fullmatch(k)]:
        return f"it carries a mark for trackers: {', '.join(marks)}"
    return ""


# --- asking ----------------------------------------------------------------------------


def _ask(url: str, method: str, seconds: float) -> tuple[int, str]:
    """Sends one request and returns the status and the address that answered."""
    request = urllib.request.Request(url, method=method, headers={"User-Agent": AGENT})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            return int(response.status), str(response.geturl())
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), url


def ask(url: str, *, seconds: float = 15.0, pause: float = 1.0) -> Answer:
    """Asks one address: its head first, the page if the head is refused.

    Args:
        url: The address.
        seconds: How long to wait for an answer.
        pause: Seconds between two requests to the same host.

    Returns:
        The answer. A page that is busy or fails on its side is asked once more.
    """
    status, where, error = 0, url, ""
    for number, method in enumerate(("HEAD", "GET", "GET")):
        if number:
            time.sleep(pause * number)
        try:
            status, where = _ask(url, method, seconds)
            error = ""
        except (OSError, http.client.HTTPException, ValueError) as failure:
            status = 0
            reason = getattr(failure, "reason", None) or failure
            error = f"{type(reason).__name__}: {reason}".removesuffix(": ")
        if 200 <= status < 300 or (number and status in _GONE | {401, 403}):
            break
    if error:
        return Answer(url, "unreachable", error)
    if 200 <= status < 300:
        moved = where.partition("#")[0].rstrip("/") != url.rstrip("/")
        return Answer(url, "moved", where) if moved else Answer(url, "ok", str(status))
    return Answer(url, "guarded" if status in _GUARDED else "broken", str(status))


def online(hosts: Iterable[str], *, port: int = 443, seconds: float = 5.0) -> bool:
    """Tells whether one of a few hosts can be connected to."""
    for host in hosts:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except OSError:
            continue
        return True
    return False


def ask_all(
    urls: Sequence[str], *, workers: int = 8, seconds: float = 15.0, pause: float = 1.0
) -> list[Answer]:
    """Asks many addresses, several hosts at once and each host one by one.

    Args:
        urls: The addresses.
        workers: How many hosts at once.
        seconds: How long to wait for an answer.
        pause: Seconds between two requests to the same host.

    Returns:
        The answers in the order of `urls`.
    """
    hosts: defaultdict[str, list[str]] = defaultdict(list)
    for url in urls:
        hosts[urlsplit(url).netloc].append(url)
    answers: dict[str, Answer] = {}
    lock = threading.Lock()

    def visit(group: list[str]) -> None:
        for index, url in enumerate(group):
            if index:
                time.sleep(pause)
            answer = ask(url, seconds=seconds, pause=pause)
            with lock:
                answers[url] = answer

    with ThreadPoolExecutor(workers) as pool:
        # The host with the most pages takes longest, so it goes first.
        list(pool.map(visit, sorted(hosts.values(), key=len, reverse=True)))
    return [answers[url] for url in urls]


def report(answers: Sequence[Answer], places: Mapping[str, Sequence[str]]) -> str:
    """Writes what needs a person, worst first, and a line that counts all."""
    lines = []
    for state in ("broken", "unreachable", "moved", "guarded"):
        for answer in answers:
            if answer.state == state:
                lines.append(f"{state:11} {answer.url}  {answer.detail}")
                lines += [f"{'':11}   {place}" for place in places.get(answer.url, ())]
    states = [answer.state for answer in answers]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(sorted(states)))
    return "\n".join([*lines, f"{len(answers)} addresses: {counts or 'none'}"]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the addresses of the site.

    Args:
        arguments: Of the command line.

    Returns:
        0 if all is well, 1 if an address is broken or malformed, 2 without a network.
    """
    parser = argparse.ArgumentParser(
        prog="python -m executor.links",
        description="Ask every address outside the site whether it still answers.",
    )
    parser.add_argument("--list", action="store_true", help="write the list, ask nobody")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--workers", type=int, default=8, help="hosts at once")
    parser.add_argument("--seconds", type=float, default=15.0, help="wait for an answer")
    options = parser.parse_args(arguments)
    places = collect(options.root)
    if options.list:
        sys.stdout.write("".join(f"{url}\n" for url in places))
        return 0
    malformed = {url: problem for url in places if (problem := problem_of(url))}
    for url, problem in malformed.items():
        sys.stdout.write(f"malformed   {url}  {problem}: {', '.join(places[url])}\n")
    urls = [url for url in places if url not in malformed]
    counts = Counter(str(urlsplit(url).hostname) for url in urls)
    hosts = [host for host, _ in counts.most_common(3)]
    if urls and not online(hosts):
        sys.stderr.write(
            f"Offline: none of {', '.join(hosts)} can be reached, so none of the "
            f"{len(urls)} addresses was checked.\n"
        )
        return 2
    answers = ask_all(urls, workers=options.workers, seconds=options.seconds)
    sys.stdout.write(report(answers, places))
    bad = any(answer.state in ("broken", "unreachable") for answer in answers)
    return int(bad or bool(malformed))


if __name__ == "__main__":
    sys.exit(main())
