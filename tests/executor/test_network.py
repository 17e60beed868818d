"""No page reaches beyond this machine, however it tries; loopback works."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from executor import environment
from executor.errors import PageError

GUARD = Path(environment.__file__).with_name("guard")


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    """Runs code under the guard; returns what it printed, and what the log says."""
    log = tmp_path / "network.log"

    def run(code: str) -> tuple[str, list[str]]:
        env = {**os.environ, "PYTHONPATH": str(GUARD), "EXECUTOR_NETWORK_LOG": str(log)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", dedent(code)],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        lines = log.read_text().splitlines() if log.exists() else []
        return done.stdout + done.stderr, lines

    return run


@pytest.mark.parametrize(
    ("call", "target"),
    [
        ("s.connect(('192.0.2.1', 80))", "192.0.2.1:80"),
        ("s.connect_ex(('192.0.2.1', 80))", "192.0.2.1:80"),
        ("six.connect(('2001:db8::1', 80))", "2001:db8::1:80"),
        ("u.sendto(b'x', ('192.0.2.1', 53))", "192.0.2.1:53"),
        ("u.sendmsg([b'x'], [], 0, ('192.0.2.1', 53))", "192.0.2.1:53"),
        ("socket.getaddrinfo('example.com', 443)", "example.com:443"),
        ("socket.getaddrinfo(b'example.com', 443)", "example.com:443"),
        ("socket.getaddrinfo('192.0.2.1', 443)", "192.0.2.1:443"),
        ("socket.gethostbyname('example.com')", "example.com"),
        ("socket.gethostbyaddr('192.0.2.1')", "192.0.2.1"),
        ("socket.create_connection(('example.com', 80))", "example.com:80"),
        ("urllib.request.urlopen('http://example.com/')", "example.com:80"),
        ("socket.getaddrinfo('localhost.example.com', 80)", "localhost.example.com:80"),
    ],
)
def test_what_goes_out_is_refused_and_noted(guarded: Any, call: str, target: str) -> None:
    output, log = guarded(
        f"""\
        import socket, urllib.request
        with (
            socket.socket() as s,
            socket.socket(socket.AF_INET6) as six,
            socket.socket(type=socket.SOCK_DGRAM) as u,
        ):
            try:
                {call}
            except Exception as error:
                print(error)
        """
    )
    assert "blocked: pages run offline" in output
    assert set(log) == {target}


def test_what_stays_here_is_let_through(guarded: Any) -> None:
    output, log = guarded(
        """\
        import asyncio, http.server, multiprocessing, socket, threading, urllib.request

        for host in ("127.0.0.1", "localhost", ""):
            server = http.server.ThreadingHTTPServer(
                (host, 0), http.server.SimpleHTTPRequestHandler
            )
            server.RequestHandlerClass.log_message = lambda *args: None
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for name in ("127.0.0.1", "localhost", "LOCALHOST"):
                url = f"http://{name}:{server.server_port}/"
                print(urllib.request.urlopen(url).status)
            server.shutdown()
            server.server_close()
        left, right = socket.socketpair()
        left.sendall(b"x")
        left.close(), right.close()
        socket.getaddrinfo(None, 80)
        socket.getaddrinfo("::1", 80)
        asyncio.run(asyncio.sleep(0))
        """
    )
    assert output.split() == ["200"] * 9
    assert log == []


def test_the_guard_needs_no_log(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    output, log = guarded(
        """\
        import os, socket
        del os.environ["EXECUTOR_NETWORK_LOG"]
        socket.getaddrinfo("example.com", 1)
        """
    )
    assert "RuntimeError: network access to example.com:1 is blocked" in output
    assert log == []


@pytest.fixture
def server() -> Iterator[int]:
    """An HTTP server on loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield http_server.server_port
        http_server.shutdown()


def test_a_kernel_does_not_know_the_shell_s_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dropped = {
        "http_proxy": "http://127.0.0.1:3128",
        "ALL_PROXY": "socks5://127.0.0.1:1",
        "HF_HUB_CACHE": "/nowhere",
        "HF_TOKEN": "secret",
        "HF_ENDPOINT": "http://127.0.0.1",
        "PYTHONSTARTUP": "x.py",
        "PYTHONWARNINGS": "ignore",
        "PYTHONOPTIMIZE": "1",
        "MPLSTYLE": "dark",
        "TRANSFORMERS_VERBOSITY": "debug",
    }
    for name, value in dropped.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("HF_HOME", "/nowhere")
    found = environment.shared_environment(tmp_path)
    assert not dropped.keys() & found.keys()
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found["HF_HOME"] == str(tmp_path / "huggingface")
    assert found["PYTHONPATH"] == str(GUARD)
    assert found["PATH"] == os.environ["PATH"]
    assert Path(found["MATPLOTLIBRC"]).is_file()


class TestPages:
    """The guard in the kernels that pages run in."""

    @pytest.mark.parametrize(
        ("code", "target"),
        [
            (
                "try:\n    socket.create_connection(('192.0.2.1', 80))\n"
                "except Exception:\n    print('no network, never mind')",
                "192.0.2.1:80",
            ),
            (
                "code = 'import socket; socket.getaddrinfo(\"example.com\", 443)'\n"
                "subprocess.run([sys.executable, '-c', code], stderr=-3)",
                "example.com:443",
            ),
        ],
    )
    def test_an_attempt_fails_the_page_even_if_it_carries_on(
        self, run: Any, code: str, target: str
    ) -> None:
        with pytest.raises(PageError) as caught:
            run(f"# %%\nimport socket, subprocess, sys\n\n# %%\n{code}\n")
        assert caught.value.place == "docs/chapter/page.py:5"
        assert f"tried to reach the network ({target}), by cell 2" in caught.value.message
        assert "executor.weights, executor.data" in caught.value.message

    def test_loopback_works(self, run: Any, server: int) -> None:
        execution = run(
            f"""\
            # %%
            import urllib.request
            with urllib.request.urlopen("http://localhost:{server}/") as answer:
                print(answer.read())
            """
        )
        assert execution.outputs[0][0]["text"] == "b'hello'\n"
