"""What an author sees under `mkdocs serve`: pages that run, fail and change."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from mkdocs.config import load_config

from executor import live
from executor.cache import Cache
from executor.schedule import available_cores
from tests.executor.small_site import SmallSite

PATIENCE = 90  # seconds; on a quiet machine nothing takes a tenth of it
PAGES = (
    "first",
    "prose",
    "user",
    "other",
    "cancelled",
    "error",
    "front",
    "value",
    "gone",
)


class Server:
    """A running `mkdocs serve`."""

    def __init__(self, site: SmallSite, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.site = site
        self.log = log
        self.address = f"http://127.0.0.1:{port}/"
        self.started = time.monotonic()
        self.process: subprocess.Popen[bytes] = site.start(
            "mkdocs", "serve", "--dev-addr", f"127.0.0.1:{port}", log=log
        )

    def get(self, url: str) -> str:
        """The text at an address, or "" where there is none."""
        try:
            with urlopen(self.address + url, timeout=PATIENCE) as response:
                return str(response.read().decode())
        except HTTPError as error:
            error.close()
            return ""

    def wait(self, url: str, *texts: str) -> str:
        """Poll a page until it holds every text; return it."""
        end = time.monotonic() + PATIENCE
        while True:
            html = self.get(url)
            if html and all(text in html for text in texts):
                return html
            assert time.monotonic() < end, f"{texts} not in:\n{html}\n{self.said()}"
            time.sleep(0.1)

    def wait_to_listen(self) -> None:
        end = time.monotonic() + PATIENCE
        while "Serving on" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.02)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def since(self) -> Callable[[], str]:
        """Return a function that tells what is logged from now on."""
        length = len(self.said())
        return lambda: self.said()[length:]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()


def wait_for(condition: Callable[[], bool], server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, server.said()
        time.sleep(0.05)


def epoch(html: str) -> int:
    match = re.search(r"livereload\((\d+), \d+\)", html)
    assert match
    return int(match[1])


class Served:
    """The server that tests share, and what it answered first."""

    def __init__(self, server: Server, gate: Path) -> None:
        self.server = server
        self.gate = gate
        server.wait_to_listen()
        self.first = server.get("first/")
        self.seconds = time.monotonic() - server.started


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    site = SmallSite(folder)
    gate = folder / "gate"
    site.page(
        "first.py",
        "import os, time\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n"
        'print("the answer", 6 * 7)',
        prose="Prose of the first page.",
    )
    site.write("snippets/use/__init__.py", '"""Use."""\n')
    site.write(
        "snippets/use/two.py",
        '"""Numbers."""\n\nTWO = 2\n\n\ndef twice(x):\n'
        '    """Returns the double."""\n    return x * TWO\n',
    )
    for page in PAGES[1:]:
        site.page(f"{page}.py", f'print("{page}", 10 + 1)', prose=f"Prose of {page}.")
    site.page("user.py", "from snippets.use.two import twice\nprint('user', twice(500))")
    site.write("docs/plain.md", "# Plain\n\nNothing to run.\n")
    site.configure("".join(f"  - {page}.py\n" for page in PAGES) + "  - plain.md\n")
    server = Server(site, folder / "log")
    try:
        yield Served(server, gate)
    finally:
        server.stop()


@pytest.fixture
def server(served: Served) -> Server:
    return served.server


@pytest.fixture
def site(served: Served) -> SmallSite:
    return served.server.site


def test_it_answers_at_once_and_fills_in_outputs_when_they_are_there(
    served: Served, record_property: Any
) -> None:
    record_property("seconds to the first answer", round(served.seconds, 1))
    # A quiet machine takes a few seconds; one that does other things may take more.
    assert served.seconds < 15 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
    # The page itself comes in the course of the first build.
    assert "The site is being built" in served.first or "Running…" in served.first
    running = served.server.wait("first/", "Running…", "Prose of the first page.")
    assert "the answer" in running  # in the code
    assert "the answer 42" not in running
    assert epoch(running) >= epoch(served.first)
    served.gate.touch()
    html = served.server.wait("first/", "the answer 42")
    assert "Running…" not in html
    assert epoch(html) > epoch(running)
    # What livereload asks for is answered without waiting, since there is news.
    for earlier in (served.first, running):
        assert int(served.server.get(f"livereload/{epoch(earlier)}/1")) >= epoch(html)


def test_each_page_says_to_wait_until_the_site_is_built(tmp_path: Path) -> None:
    small = SmallSite(tmp_path)
    small.page("one.py", "1")
    small.write("docs/more/plain.md", "# Plain\n")
    small.configure("  - one.py\n  - more/plain.md\n")
    built = tmp_path / "built"
    config = load_config(str(small.root / "mkdocs.yml"), site_dir=str(built))

    live._promise(config)

    for url in ("one", "more/plain"):
        text = (built / url / "index.html").read_text(encoding="utf-8")
        assert "The site is being built" in text


def test_the_page_that_is_looked_at_runs_next(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    blocks = [f"block{number}" for number in range(available_cores())]
    names = [*blocks, "left", "right", "seen"]
    for name in names:
        gate = str(tmp_path / name)
        wait = f"import os, time\nwhile not os.path.exists({gate!r}): time.sleep(0.05)"
        site.page(f"{name}.py", wait if name in blocks else f"print('{name}')")
    site.configure("".join(f"  - {name}.py\n" for name in names))
    server = Server(site, tmp_path / "log")
    try:
        server.wait_to_listen()
        server.wait("seen/", "Running…")
        wait_for(lambda: server.said().count("Running ") == len(blocks), server)
        server.get("seen/")
        (tmp_path / blocks[0]).touch()  # one place for all that wait
        wait_for(lambda: server.said().count("Ran ") == 4, server)
    finally:
        server.stop()
    ran = re.findall(r"Running (\w+)", server.said())
    assert ran[len(blocks) :] == ["seen", "left", "right"]


def test_an_edit_of_prose_runs_nothing(server: Server, site: SmallSite) -> None:
    before = server.wait("prose/", "prose 11")
    said = server.since()
    site.edit("docs/prose.py", "Prose of prose.", "New prose.")
    after = server.wait("prose/", "New prose.")
    assert epoch(after) > epoch(before)
    assert "prose 11" in after
    assert "Running prose" not in said()


def test_an_edit_of_plain_prose_shows(server: Server, site: SmallSite) -> None:
    server.wait("plain/", "Nothing to run.")
    site.edit("docs/plain.md", "Nothing to run.", "Still nothing.")
    server.wait("plain/", "Still nothing.")
    # A quick rebuild writes few pages, and keeps what belongs to all of them.
    assert "Welcome." in server.wait("", "Welcome.")
    assert "sitemaps.org" in server.get("sitemap.xml")
    assert '"docs"' in server.get("search/search_index.json")
    with pytest.raises(HTTPError) as missing:
        urlopen(server.address + "nowhere/", timeout=PATIENCE)
    with missing.value as error:
        assert error.code == 404
        assert "Nothing at this address" in error.read().decode()


def test_an_edit_of_a_snippet_runs_the_pages_that_show_it(
    server: Server, site: SmallSite
) -> None:
    server.wait("user/", "user 1000")
    server.wait("other/", "other 11")
    assert "Returns the double." in server.wait("reference/use/two/", "twice")
    said = server.since()
    path = "snippets/use/two.py"
    site.write(path, (site.root / path).read_text().replace("double", "triple"))
    site.edit(path, "TWO = 2", "TWO = 3")
    server.wait("user/", "user 1500")
    server.wait("reference/use/two/", "Returns the triple.")
    assert "Running user" in said()
    assert "Running other" not in said()


def test_a_second_edit_stops_what_the_first_started(
    server: Server, site: SmallSite, tmp_path: Path
) -> None:
    server.wait("cancelled/", "cancelled 11")
    started, ended = tmp_path / "started", tmp_path / "ended"
    said = server.since()
    site.page(
        "cancelled.py",
        f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(60)\n"
        f"open({str(ended)!r}, 'w').close()\nprint('earlier', 10 + 2)",
    )
    server.wait("cancelled/", "Running…")
    wait_for(started.exists, server)
    site.page("cancelled.py", "print('later', 10 + 3)")
    html = server.wait("cancelled/", "later 13")
    assert "earlier" not in html
    assert "Stopped cancelled" in said()
    assert not ended.exists()
    entries = Cache(site.root / ".cache" / "executor").folder.glob("cancelled/*.json")
    assert not [path for path in entries if "earlier" in path.read_text()]


def test_an_error_is_shown_on_its_page_until_it_is_fixed(
    server: Server, site: SmallSite
) -> None:
    server.wait("error/", "error 11")
    site.page("error.py", "x = 1\nx / 0", prose="Prose of a page that fails.")
    html = server.wait("error/", "This page failed")
    for text in ("docs/error.py:8", "ZeroDivisionError", "Prose of a page that fails."):
        assert text in html
    assert "docs/error.py:8: cell 1 raised ZeroDivisionError" in server.said()
    assert server.get("")
    site.edit("docs/error.py", "x / 0", "print('fixed', 10 + 4)")
    html = server.wait("error/", "fixed 14")
    assert "This page failed" not in html


def test_bad_front_matter_is_shown_on_its_page(server: Server, site: SmallSite) -> None:
    server.wait("front/", "front 11")
    path = site.root / "docs" / "front.py"
    good = path.read_text()
    site.write(
        "docs/front.py", good.replace("# # Title", "# ---\n# a: [1\n# ---\n# # Title")
    )
    html = server.wait("front/", "This page failed")
    assert "docs/front.py:" in html
    assert "not valid YAML" in html
    said = server.since()
    site.write("docs/front.py", good)
    html = server.wait("front/", "front 11")
    assert "This page failed" not in html
    assert "Running front" not in said()


def test_an_unknown_value_is_shown_on_its_page(server: Server, site: SmallSite) -> None:
    server.wait("value/", "value 11")
    site.edit("docs/value.py", "Prose of value.", "It is {{ nothing }} of much.")
    html = server.wait("value/", "This page failed", "no page recorded")
    assert "docs/value.py:4" in html
    assert server.get("")
    site.edit("docs/value.py", "It is {{ nothing }} of much.", "Prose again.")
    html = server.wait("value/", "Prose again.", "value 11")
    assert "This page failed" not in html


def test_a_snippet_that_is_not_python_stops_nothing(
    server: Server, site: SmallSite
) -> None:
    site.write("snippets/use/three.py", '"""Three."""\n\n\ndef three():\n    return 3\n')
    site.page("syntax.py", "from snippets.use.three import three\nprint('got', three())")
    server.wait("syntax/", "got 3")
    site.edit("snippets/use/three.py", "def three():", "def three(:")
    html = server.wait("syntax/", "This page failed")
    assert "snippets/use/three.py:4" in html
    assert "snippets/use/three.py:4" in server.wait("reference/", "This page failed")
    site.edit("snippets/use/three.py", "def three(:", "def three():")
    server.wait("syntax/", "got 3")
    server.wait("reference/", "use.three")


MAKER = """\
# %% [markdown]
# ---
# executor:
#   saves: [vit]
# ---
# # Maker

# %%
from pathlib import Path

folder = Path("checkpoints/vit")
folder.mkdir(parents=True)
(folder / "README.md").write_text("# A model")
(folder / "model.safetensors").write_text(str(10 + 1))
"""
READER = """\
# %% [markdown]
# ---
# executor:
#   checkpoints: [vit]
# ---
# # Reader

# %%
from pathlib import Path

print("learned", Path("checkpoints/vit/model.safetensors").read_text())
"""


def test_an_edit_of_a_maker_runs_its_users_after_it(
    server: Server, site: SmallSite, tmp_path: Path
) -> None:
    site.write("docs/a_reader.py", READER)
    html = server.wait("a_reader/", "This page failed", "which no page saves")
    site.write("docs/maker.py", MAKER)
    html = server.wait("a_reader/", "learned 11")
    assert 'href="../maker/"' in html
    assert server.wait("maker/", "checkpoints/vit.zip")
    with urlopen(
        f"{server.address}files/checkpoints/vit.zip", timeout=PATIENCE
    ) as zipped:
        assert zipped.read(2) == b"PK"
    said = server.since()
    site.edit("docs/maker.py", "10 + 1", "10 + 2")
    server.wait("a_reader/", "learned 12")
    assert said().index("Ran maker") < said().index("Running a_reader")
    # The newest edit counts, whatever still runs or waits.
    started = tmp_path / "started"
    slow = f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(60)\n"
    site.edit("docs/maker.py", "from pathlib", f"{slow}from pathlib")
    wait_for(started.exists, server)
    assert "Running…" in server.wait("a_reader/", "Running…")
    said = server.since()
    site.write("docs/maker.py", MAKER.replace("10 + 1", "10 + 3"))
    server.wait("a_reader/", "learned 13")
    assert "Stopped maker" in said()
    assert said().count("Running a_reader") == 1


def test_a_maker_that_fails_is_named_on_the_pages_of_its_users(
    server: Server, site: SmallSite
) -> None:
    site.write("docs/maker.py", MAKER)
    site.write("docs/a_reader.py", READER)
    server.wait("a_reader/", "learned 11")
    said = server.since()
    site.edit("docs/maker.py", "folder.mkdir(parents=True)", "1 / 0")
    html = server.wait("a_reader/", "This page failed")
    assert (
        "docs/a_reader.py: not run: it uses the checkpoint vit of docs/maker.py" in html
    )
    server.wait("maker/", "This page failed", "ZeroDivisionError")
    errors = [line for line in said().splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert "docs/maker.py:12: cell 1 raised ZeroDivisionError" in errors[0]
    site.write("docs/maker.py", MAKER)
    html = server.wait("a_reader/", "learned 11")
    assert "This page failed" not in html


def test_pages_come_and_go(server: Server, site: SmallSite) -> None:
    site.page("new.py", "print('new', 10 + 5)")
    server.wait("new/", "new 15")
    site.write("docs/linking.md", "# Linking\n\n[Nowhere](nowhere.md) and text.\n")
    server.wait("linking/", "and text.")  # though a link is broken
    assert "nowhere.md" in server.said()
    (site.root / "docs" / "new.py").unlink()
    (site.root / "docs" / "gone.py").unlink()
    wait_for(lambda: not (server.get("new/") or server.get("gone/")), server)
    server.wait("", "Welcome.")


def test_it_starts_though_pages_are_wrong_and_ends_with_nothing_left(
    tmp_path: Path,
) -> None:
    site = SmallSite(tmp_path)
    started = tmp_path / "started"
    site.write("docs/broken.py", "# %% [markdown]\n# ---\n# a: [1\n# ---\n# # Broken\n")
    site.page("value.py", "print('ran', 10 + 6)", prose="It is {{ nothing }}.")
    site.page(
        "slow.py", f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(90)"
    )
    site.write("docs/index.md", "# Home\n\nWelcome, {{ broken.x }}.\n")
    site.configure("".join(f"  - {page}.py\n" for page in ("broken", "value", "slow")))
    server = Server(site, tmp_path / "log")
    try:
        server.wait_to_listen()
        assert "docs/broken.py:" in server.wait("broken/", "This page failed")
        assert "no page recorded" in server.wait("value/", "This page failed")
        html = server.wait("", "This page failed")
        assert "needs the page broken, which failed" in html
        assert "Running…" in server.wait("slow/", "Title")
        wait_for(started.exists, server)
    finally:
        code = server.stop()
    assert code == 0
    assert not site.processes()
    assert not list(site.temporary.iterdir())
    text = server.said()
    assert "Traceback" not in text
    assert "destroyed" not in text
