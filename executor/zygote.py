"""The zygote: imports heavy packages once, and forks a kernel for each page.

Run as ``python executor/zygote.py FD``; FD is its end of a Unix socket pair, over which
it reads and writes one JSON object a line. It is told:

    {"preload": ["import torch", ...]}
    {"fork": 1, "argv": [...], "cwd": "...", "env": {...}, "log": "..."}

and says:

    {"ready": {"import torch": null, ...}}
    {"forked": 1, "pid": 42}
    {"exited": 42, "status": -9}

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


def serve(channel: socket.socket) -> None:
    """Answers requests on ``channel`` until the other end closes it."""
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    children: dict[int, int] = {}  # file descriptor of a child → its process id
    pending = b""
    try:
        while True:
            for key, _ in selector.select():
                if key.fileobj is not channel:
                    _reap(channel, selector, children, key.fd)
                    continue
                data = channel.recv(65536)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    _answer(channel, selector, children, json.loads(line))
    finally:
        for pid in children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _answer(
    channel: socket.socket,
    selector: selectors.BaseSelector,
    children: dict[int, int],
    request: dict[str, Any],
) -> None:
    if "preload" in request:
        _send(channel, {"ready": preload(request["preload"], channel)})
        return
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        for descriptor in children:
            os.close(descriptor)
        selector.close()
        channel.close()
        _become_kernel(request, parent)
    descriptor = os.pidfd_open(pid)
    children[descriptor] = pid
    selector.register(descriptor, selectors.EVENT_READ)
    _send(channel, {"forked": request["fork"], "pid": pid})


def preload(statements: list[str], channel: socket.socket) -> dict[str, str | None]:
    """Runs import statements and what forked kernels would otherwise each do again.

    A statement that fails is left to the page, which then shows the error itself. Stops
    when the other end of ``channel`` is gone: nobody waits for the rest.

    Returns:
        For each statement None, or why it failed.
    """
    gc.disable()
    outcome: dict[str, str | None] = {}
    warnings.simplefilter("ignore")  # pages set their own filter
    for statement in statements:
        if _hung_up(channel):
            break
        try:
            exec(statement, {})
            outcome[statement] = None
        except Exception as error:  # noqa: BLE001 - a package may raise anything
            outcome[statement] = f"{type(error).__name__}: {error}"
    warnings.resetwarnings()
    gc.collect()
    gc.freeze()
    gc.enable()
    return outcome


def _hung_up(channel: socket.socket) -> bool:
    try:
        return not channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


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
