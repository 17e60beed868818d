"""A stand-in for the Hub on this machine, so that its client runs without a network.

It answers the requests that `huggingface_hub` 2.4 makes to read a model repository: its
card, its list of files, and files. Routes and headers are those that the client asks for;
nothing else of the Hub is here. Sizes are in bytes.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def blob_id(content: bytes) -> str:
    """Compute the id that git gives to a file with this content.

    Args:
        content: The file's bytes.

    Returns:
        40 hexadecimal digits.
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def commit_id(files: Mapping[str, bytes]) -> str:
    """Make an id for a set of files, in the form of a commit: 40 hexadecimal digits.

    Args:
        files: The content of each file, by path.

    Returns:
        The id.
    """
    lines = [f"{blob_id(files[name])} {name}" for name in sorted(files)]
    return hashlib.sha1("\n".join(lines).encode()).hexdigest()


def cache_tree(folder: Path) -> list[str]:
    """List what a cache folder holds, links with their targets, in order of the paths.

    Args:
        folder: The cache.

    Returns:
        One line for each file or link.
    """
    lines = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            lines.append(f"{name} -> blobs/{path.readlink().name}")
        elif path.is_file() and ".locks" not in path.parts:
            lines.append(f"{name}, {path.stat().st_size} bytes")
    return lines


class LocalHub(ThreadingHTTPServer):
    """One model repository, served on 127.0.0.1 until it is closed.

    Args:
        repo_id: Name of the repository, `organization/name`.
        revisions: Files and their contents by the name of the branch or tag.
        token: If given, the repository is private, and this token opens it.
    """

    def __init__(
        self,
        repo_id: str,
        revisions: Mapping[str, Mapping[str, bytes]],
        token: str | None = None,
    ) -> None:
        self.repo_id, self.token = repo_id, token
        self.commits = {name: commit_id(files) for name, files in revisions.items()}
        self.files = dict(zip(self.commits.values(), revisions.values(), strict=True))
        self.requests: list[str] = []  # method, path and status of each so far
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        """Stop answering."""
        self.shutdown()
        super().server_close()

    def find(self, path: str, token: str) -> tuple[int, dict[str, str], bytes]:
        """Look up what a path leads to.

        Args:
            path: The path of a request.
            token: The token that came with it, or nothing.

        Returns:
            Status, headers and body of the answer.
        """
        api = f"/api/models/{self.repo_id}"
        root = f"/{self.repo_id}/resolve/"
        inside = path == api or path.startswith((f"{api}/", root))
        if not inside or (self.token and token != self.token):
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        rest = path.removeprefix(root).removeprefix(api).strip("/")
        rest = rest.removeprefix("revision/").removeprefix("tree/")
        revision, _, name = rest.partition("/")
        commit = self.commits.get(revision or "main", revision)
        if commit not in self.files:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files = self.files[commit]
        if path.startswith(root):
            if name not in files:
                missing = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
                return 404, missing, b""
            etag = f'"{blob_id(files[name])}"'
            return 200, {"ETag": etag, "X-Repo-Commit": commit}, files[name]
        listing = [
            {"type": "file", "path": name, "oid": blob_id(data), "size": len(data)}
            for name, data in sorted(files.items())
        ]
        card = {
            "id": self.repo_id,
            "sha": commit,
            "private": bool(self.token),
            "tags": ["license:apache-2.0"],
            "siblings": [{"rfilename": entry["path"]} for entry in listing],
        }
        answer = listing if "/tree/" in path else card
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, headers, body = self.server.find(path, token)
        self.server.requests.append(f"{self.command:4} {path} {status}")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
