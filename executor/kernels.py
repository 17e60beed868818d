"""Starts the kernels that pages run in: forks of a zygote, or processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, cast

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.config import Config

_START_SECONDS = 120.0
_ZYGOTE = Path(__file__).with_name("zygote.py")


class Kernels(Protocol):
    """A source of kernels."""

    def manager(
        self, connection_file: Path, log: Path, imports: Sequence[str] = ()
    ) -> AsyncKernelManager:
        """Returns a manager of one kernel that is not yet started.

        Args:
            connection_file: Where the kernel's addresses are to be written.
            log: Where to write what the kernel itself prints.
            imports: What the kernel is to find loaded, if it was loaded for several.
        """

    def close(self) -> None:
        """Ends whatever is shared between kernels."""


def can_fork() -> bool:
    """Tells whether kernels can be forked: on Linux; elsewhere it is unsafe."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class _Client(AsyncKernelClient):
    """A client without a heartbeat, which is a thread of its own and takes time to end.

    A kernel that died is noticed as a process that ended.
    """

    def start_channels(self, *args: Any, **kwargs: Any) -> None:
        super().start_channels(*args, **kwargs | {"hb": False})


def _manager(connection_file: Path) -> AsyncKernelManager:
    # IPC keeps the kernel off the network and starts quicker than TCP.
    config = Config({"KernelManager": {"transport_encryption": "disabled"}})
    manager = AsyncKernelManager(
        kernel_name="python3",
        transport="ipc",
        connection_file=str(connection_file),
        config=config,
        client_factory=_Client,
    )
    # The client calls before the kernel listens; by default it calls again after 100 ms.
    manager.context.setsockopt(zmq.RECONNECT_IVL, 5)
    return manager


class SpawnedKernels:
    """Each kernel is a new Python process."""

    def manager(
        self,
        connection_file: Path,
        log: Path,
        imports: Sequence[str] = (),  # noqa: ARG002 - each process loads its own
    ) -> AsyncKernelManager:
        """Returns a manager that will start a process."""
        manager = _manager(connection_file)
        manager.provisioner = _LoggedProvisioner(
            parent=manager, kernel_id="", kernel_spec=manager.kernel_spec, log_file=log
        )
        return manager

    def close(self) -> None:
        """Does nothing: spawned kernels share nothing."""


class _LoggedProvisioner(LocalProvisioner):
    """A local process whose own output goes to a file, not into the build's."""

    def __init__(self, *, log_file: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._log_file = log_file

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        with self._log_file.open("ab") as log:
            return await super().launch_kernel(cmd, **kwargs, stdout=log, stderr=log)


class ForkedKernels:
    """Each kernel is a fork of one zygote that has imported heavy packages already.

    Args:
        environment: Environment of the zygote, which its forks start from.
        preload: Import statements to run in the zygote, e.g. ``import torch``.
    """

    def __init__(self, environment: dict[str, str], preload: list[str]) -> None:
        self.zygote = Zygote(environment, preload)

    def manager(
        self, connection_file: Path, log: Path, imports: Sequence[str] = ()
    ) -> AsyncKernelManager:
        """Returns a manager that will fork the zygote once it has loaded ``imports``."""
        manager = _manager(connection_file)
        manager.provisioner = _ForkProvisioner(
            parent=manager,
            kernel_id="",
            kernel_spec=manager.kernel_spec,
            zygote=self.zygote,
            imports=imports,
            log_file=log,
        )
        return manager

    def close(self) -> None:
        """Ends the zygote, and with it every kernel that still runs."""
        self.zygote.close()


class Zygote:
    """Our end of the zygote process; see ``executor.zygote`` for what is said."""

    def __init__(self, environment: dict[str, str], preload: list[str]) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-Xfrozen_modules=off",  # as Jupyter starts kernels, for debuggers
                    str(_ZYGOTE),
                    str(theirs.fileno()),
                ],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._lock = threading.Lock()
        self._forks: dict[int, Future[int]] = {}
        self._exits: dict[int, Future[int]] = {}
        self._next = 0
        self.ready: Future[dict[str, str | None]] = Future()
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()
        self._send({"preload": preload})

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def fork(
        self,
        argv: list[str],
        cwd: str,
        env: dict[str, str],
        log: Path,
        imports: Sequence[str] = (),
    ) -> Child:
        """Forks a kernel. Returns when it exists.

        Args:
            argv: The kernel's command line.
            cwd: Its working folder.
            env: Its environment.
            log: The file that gets what it prints.
            imports: Statements to wait for, if they are to be loaded at all.
        """
        forked: Future[int] = Future()
        with self._lock:
            self._next += 1
            number = self._next
            self._forks[number] = forked
        request = {"fork": number, "needs": list(imports), "log": str(log)}
        self._send(request | {"argv": argv, "cwd": cwd, "env": env})
        pid = forked.result(_START_SECONDS)
        return Child(pid, self._exits[pid])

    def close(self) -> None:
        """Hangs up, which ends the zygote and its forks."""
        self._channel.close() if self._process.poll() is not None else self._hang_up()

    def _hang_up(self) -> None:
        self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                self._channel.sendall(data)
        except OSError as error:
            raise RuntimeError("the zygote process has ended") from error

    def _listen(self) -> None:
        pending = b""
        while True:
            try:
                data = self._channel.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
        gone = RuntimeError("the zygote process has ended")
        with self._lock:
            if not self.ready.done():
                self.ready.set_exception(gone)
            for forked in self._forks.values():
                forked.set_exception(gone)
            for exited in self._exits.values():
                if not exited.done():
                    exited.set_result(-9)

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.ready.set_result(message["ready"])
        elif "forked" in message:
            self._exits[message["pid"]] = Future()
            self._forks.pop(message["forked"]).set_result(message["pid"])
        else:
            self._exits[message["exited"]].set_result(message["status"])


class Child:
    """A forked kernel, with the part of ``subprocess.Popen`` that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, exited: Future[int]) -> None:
        self.pid = pid
        self.exited = exited

    def poll(self) -> int | None:
        """Returns the exit status, or None while the process runs."""
        return self.exited.result() if self.exited.done() else None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and returns the exit status."""
        return self.exited.result(timeout)

    def send_signal(self, signum: int) -> None:
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it may end at this moment
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """Ends the process at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks the process to end."""
        self.send_signal(signal.SIGTERM)


class _ForkProvisioner(LocalProvisioner):
    """Gets the kernel's process from a zygote; all else is a local process."""

    def __init__(
        self, *, zygote: Zygote, imports: Sequence[str], log_file: Path, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._zygote = zygote
        self._imports = imports
        self._log_file = log_file

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        # cmd is: python [flags] -m ipykernel_launcher -f FILE [options]
        argv = cmd[cmd.index("ipykernel_launcher") :]
        fork = asyncio.ensure_future(
            asyncio.to_thread(
                self._zygote.fork,
                argv,
                str(kwargs["cwd"]),
                kwargs["env"],
                self._log_file,
                self._imports,
            )
        )
        try:
            child = await asyncio.shield(fork)
        except asyncio.CancelledError:
            # The zygote has been asked, and will fork a kernel that nobody wants.
            fork.add_done_callback(_kill_late)
            raise
        self.process = cast("subprocess.Popen[bytes]", child)
        self.pid = self.pgid = child.pid
        return self.connection_info

    async def wait(self) -> int | None:
        """Waits for the end without polling, since the zygote tells of it."""
        child = cast("Child | None", self.process)
        if child is None:
            return 0
        status = await asyncio.wrap_future(child.exited)
        self.process = None
        return status


def _kill_late(fork: asyncio.Future[Child]) -> None:
    if not fork.cancelled() and fork.exception() is None:
        fork.result().kill()
