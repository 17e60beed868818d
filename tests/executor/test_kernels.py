"""Kernels: how they are reached, and what their processes answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.environment import shared_environment
from executor.kernels import (
    Child,
    ForkedKernels,
    SpawnedKernels,
    Zygote,
    _manager,
    can_fork,
)


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    if not can_fork():
        pytest.skip("kernels are forked on Linux only")
    environment = shared_environment(tmp_path_factory.mktemp("cache"))
    kernels = ForkedKernels(environment, [])
    yield kernels.zygote
    kernels.close()


@pytest.fixture
def fork(zygote: Zygote, tmp_path: Path) -> Callable[..., Child]:
    """Forks a kernel; one without a proper command line ends at once."""

    def fork(*argv: str) -> Child:
        return zygote.fork(
            ["ipykernel_launcher", *argv],
            str(tmp_path),
            {**os.environ, "MARK": "x"},
            tmp_path / "log",
        )

    return fork


def test_kernels_are_not_on_the_network(tmp_path: Path) -> None:
    manager = _manager(tmp_path / "kernel.json")
    assert manager.transport == "ipc"
    assert manager.connection_file == str(tmp_path / "kernel.json")
    manager.context.destroy()


def test_a_fork_has_its_own_session_folder_and_environment(
    fork: Any, tmp_path: Path
) -> None:
    child = fork("-f", str(tmp_path / "kernel.json"))
    try:
        process = psutil.Process(child.pid)
        while not (tmp_path / "kernel.json").exists():
            assert child.poll() is None, (tmp_path / "log").read_text()
        assert process.cwd() == str(tmp_path)
        assert os.getsid(child.pid) == child.pid
        assert child.poll() is None
    finally:
        child.kill()
    assert child.wait(30) == -signal.SIGKILL


def test_the_exit_of_a_fork_is_told(fork: Any, tmp_path: Path) -> None:
    child = fork("--no-such-option=1", "--f")
    assert child.wait(60) != 0
    assert child.poll() == child.wait()
    assert (tmp_path / "log").read_text()
    child.kill()  # of a process that has ended: nothing happens
    child.terminate()


def test_signals_reach_a_fork(fork: Any, tmp_path: Path) -> None:
    child = fork("-f", str(tmp_path / "kernel.json"))
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL


def test_many_forks_at_once_are_told_apart(fork: Any, tmp_path: Path) -> None:
    children = [fork("-f", str(tmp_path / f"{number}.json")) for number in range(5)]
    assert len({child.pid for child in children}) == 5
    for child in children[1:]:
        child.kill()
        assert child.wait(30) == -signal.SIGKILL
    assert children[0].poll() is None
    children[0].kill()
    assert children[0].wait(30) == -signal.SIGKILL


def test_to_close_twice_does_no_harm(tmp_path: Path) -> None:
    zygote = Zygote(shared_environment(tmp_path), [])
    zygote.close()
    zygote.close()
    assert not zygote.alive
    SpawnedKernels().close()


def test_forks_end_with_their_owner_however_it_ends(tmp_path: Path) -> None:
    if not can_fork():
        pytest.skip("kernels are forked on Linux only")
    script = f"""
import sys, time
from pathlib import Path
from executor.environment import shared_environment
from executor.kernels import ForkedKernels
folder = Path({str(tmp_path)!r})
zygote = ForkedKernels(shared_environment(folder), []).zygote
pids = [zygote._process.pid]
for number in range(2):
    argv = ["x", "-f", str(folder / f"{{number}}.json")]
    pids.append(zygote.fork(argv, str(folder), {{}}, folder / "log").pid)
print(*pids, flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(text) for text in owner.stdout.readline().split()]
        assert len(pids) == 3
        processes = [psutil.Process(pid) for pid in pids]
        owner.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
