"""The zygote: imports heavy packages once, and forks a kernel for each page.

Run as ``python executor/zygote.py FD``; FD is its end of a Unix socket pair, over which
it reads and writes one JSON object a line. It is told:

    {"preload": ["import torch", ...]}
    {"fork": 1, "needs": [...], "argv": [...], "cwd": "...", "env": {...}, "log": "..."}

and says:

    {"ready": {"import torch": null, ...}}
    {"forked": 1, "pid": 42}
    {"exited": 42, "status": -9}

It forks as soon as what a page needs is loaded, and loads what others need after that.

It stays single-threaded, so that a fork copies no lock that another thread holds. When
its socket closes (the parent is gone, however it died) it kills its forks and exits.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import warnings
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1


class Imports:
    """The import statements that are still to be run, and what came of the others.

    Attributes:
        outcome: For each statement that was run None, or why it failed.
    """

    def __init__(self) -> None:
        self.outcome: dict[str, str | None] = {}
        self._queue: dict[str, None] = {}  # in order

    def add(self, statements: list[str]) -> None:
        """Takes in statements to run; each is run once."""
        self._queue |= dict.fromkeys(statements)
        for statement in self.outcome:
            self._queue.pop(statement, None)

    def missing(self, statements: list[str]) -> list[str]:
        """Returns those of ``statements`` that are still to be run."""
        return [statement for statement in statements if statement in self._queue]

    def run_next(self, wanted: list[str]) -> None:
        """Runs one statement: of ``wanted`` if there is any to run, else the next.

        A statement that fails is left to the page, which then shows the error itself.
        """
        statement = next(iter([*self.missing(wanted), *self._queue]))
        del self._queue[statement]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pages set their own filter
                exec(statement, {})
            self.outcome[statement] = None
        except Exception as error:  # noqa: BLE001 - a package may raise anything
            self.outcome[statement] = f"{type(error).__name__}: {error}"

    def __bool__(self) -> bool:
        """Tells whether there are statements to run."""
        return bool(self._queue)


def serve(channel: socket.socket) -> None:
    """Answers requests on ``channel`` until the other end closes it."""
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    children: dict[int, int] = {}  # file descriptor of a child → its process id
    imports = Imports()
    waiting: list[dict[str, Any]] = []  # requests for forks
    pending = b""
    gc.disable()
    try:
        while True:
            for key, _ in selector.select(0 if imports or waiting else None):
                if key.fileobj is not channel:
                    _reap(channel, selector, children, key.fd)
                    continue
                data = channel.recv(65536)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for request in map(json.loads, lines):
                    if "fork" in request:
                        waiting.append(request)
                        continue
                    imports.add(request["preload"])
                    if not imports:
                        _send(channel, {"ready": imports.outcome})
            for request in [*waiting]:
                if not imports.missing(request["needs"]):
                    waiting.remove(request)
                    _fork(channel, selector, children, request)
            if imports:
                imports.run_next([need for each in waiting for need in each["needs"]])
                if not imports:
                    _send(channel, {"ready": imports.outcome})
    finally:
        for pid in children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _fork(
    channel: socket.socket,
    selector: selectors.BaseSelector,
    children: dict[int, int],
    request: dict[str, Any],
) -> None:
    parent = os.getpid()
    # What is there is shared with the forks and stays so. Not collected before: that
    # takes half a second, and there is little to find.
    gc.freeze()
    pid = os.fork()
    if not pid:
        gc.enable()
        for descriptor in children:
            os.close(descriptor)
        selector.close()
        channel.close()
        _become_kernel(request, parent)
    descriptor = os.pidfd_open(pid)
    children[descriptor] = pid
    selector.register(descriptor, selectors.EVENT_READ)
    _send(channel, {"forked": request["fork"], "pid": pid})


def _reap(
    channel: socket.socket,
    selector: selectors.BaseSelector,
    children: dict[int, int],
    descriptor: int,
) -> None:
    pid = children.pop(descriptor)
    selector.unregister(descriptor)
    os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    _send(channel, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")


def _become_kernel(request: dict[str, Any], parent: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        with contextlib.suppress(
            OSError, AttributeError
        ):  # not Linux: the socket suffices
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)  # the zygote ended before its end was watched for
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        sys.argv = request["argv"]
        _reseed()
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=request["argv"][1:])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fork must never return into the zygote
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _reseed() -> None:
    """Gives the fork random states of its own, as a fresh process has them."""
    import random

    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file: not for pages to import from
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)  # to take torch apart in good order takes seconds
