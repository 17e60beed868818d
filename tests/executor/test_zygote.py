"""The zygote: what it loads, how it forks, and how it ends."""

import asyncio
import importlib.metadata
import importlib.util
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.assemble import import_statements
from executor.environment import shared_environment
from executor.execute import Execution, execute
from executor.kernels import ForkedKernels, Zygote, can_fork
from executor.preload import FORK_SAFE, preload_statements
from executor.zygote import Imports

pytestmark = [
    pytest.mark.skipif(not can_fork(), reason="kernels are forked on Linux only"),
]

# What pages use of these packages lies deeper than the packages themselves.
DEEPER = [
    "import datasets.arrow_dataset",
    "import matplotlib.pyplot",
    "import pandas",
    "import scipy.stats",
    "import sklearn.linear_model",
    "import sklearn.metrics",
    "import torch.nn.functional",
    "import torch.utils.data",
    "import torchvision.transforms.v2",
    "from huggingface_hub import HfApi",
    "from transformers import AutoModel",
    "from transformers import AutoTokenizer",
    "from transformers import BertModel",
    "from transformers import Trainer",
    "from transformers import pipeline",
]


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def wait_until(condition: Any, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return shared_environment(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def full(shared: dict[str, str]) -> Iterator[ForkedKernels]:
    """Kernels from a zygote that has loaded every package it may load."""
    installed = sorted(name for name in FORK_SAFE if importlib.util.find_spec(name))
    statements = [f"import {name}" for name in installed] + DEEPER
    kernels = ForkedKernels(shared, preload_statements([]) + statements)
    outcome = kernels.zygote.ready.result(300)
    assert not {name: problem for name, problem in outcome.items() if problem}
    yield kernels
    kernels.close()


@pytest.fixture
def light(shared: dict[str, str]) -> Iterator[Zygote]:
    zygote = Zygote(shared, ["import json"])
    yield zygote
    zygote.close()


def pid_of(zygote: Zygote) -> int:
    return zygote._process.pid


def run(
    project: Any, kernels: ForkedKernels, env: dict[str, str], text: str
) -> Execution:
    program = project.program(text)
    return asyncio.run(execute(project.root, program, kernels, env))


def test_it_has_one_thread_whatever_it_loaded(full: ForkedKernels) -> None:
    assert threads(pid_of(full.zygote)) == 1


def test_torch_computes_right_with_several_threads(
    project: Any, full: ForkedKernels, shared: dict[str, str]
) -> None:
    records = run(
        project,
        full,
        shared,
        """\
        # %%
        #| record:
        #|   threads: torch.get_num_threads()
        #|   error: float(np.abs(product.numpy() - exact).max())
        #|   gradient: float((weight.grad - expected).abs().max())
        import os

        import numpy as np
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        torch.manual_seed(0)
        torch.set_num_threads(2)
        left, right = torch.randn(400, 500), torch.randn(500, 300)
        product = left @ right
        exact = left.numpy().astype("float64") @ right.numpy().astype("float64")

        weight = torch.zeros(500, 300, requires_grad=True)
        (left @ weight - product).square().sum().backward()
        expected = -2 * left.T @ product

        # %%
        #| record:
        #|   total: sum(int(batch.sum()) for (batch,) in loader)
        #|   working: len(os.listdir("/proc/self/task")) > 1
        numbers = TensorDataset(torch.arange(1000))
        loader = DataLoader(
            numbers, batch_size=64, num_workers=2, multiprocessing_context="fork"
        )
        """,
    ).records
    assert records["threads"] == 2
    assert records["error"] < 1e-3
    assert records["gradient"] < 1e-1
    assert records["total"] == 499500
    assert records["working"]
    assert threads(pid_of(full.zygote)) == 1


def test_forks_share_what_the_zygote_loaded_and_nothing_else(
    project: Any, full: ForkedKernels, shared: dict[str, str]
) -> None:
    text = """\
        # %%
        #| record:
        #|   loaded: loaded
        #|   before: before
        #|   pid: os.getpid()
        #|   place: os.getcwd()
        #|   random: "[random.random(), float(np.random.rand())]"
        import sys
        loaded = "torch" in sys.modules
        import os, random
        import numpy as np, torch
        before = [hasattr(torch, "left"), os.environ.get("LEFT"), os.listdir()]
        torch.left = [0] * 1000
        os.environ["LEFT"] = "1"
        random.seed(7), np.random.seed(7)
        open("left.txt", "w").close()
        random.seed(), np.random.seed()
        """
    first = run(project, full, shared, text).records
    second = run(project, full, shared, text).records
    assert first["loaded"]
    assert second["loaded"]
    assert first["before"] == second["before"] == [False, None, []]
    assert first["pid"] != second["pid"]
    assert first["place"] != second["place"]
    assert first["random"][0] != second["random"][0]
    assert first["random"][1] != second["random"][1]


def test_only_known_packages_are_loaded_ahead(project: Any) -> None:
    project.snippet("def f():\n    return 1\n")
    program = project.program(
        """\
        # %%
        import os, tqdm, yaml
        import torch.nn.functional as F
        from transformers import BertModel, pipeline as make
        from snippets.chapter.code import f
        from matplotlib import pyplot as plt

        # %%
        if True:
            import sklearn
        """
    )
    statements = preload_statements([program])
    for statement in (
        "import torch.nn.functional",
        "from transformers import BertModel",
        "from transformers import pipeline",
        "from matplotlib import pyplot",
        "import matplotlib.backends.backend_svg",
    ):
        assert statement in statements
    text = "\n".join(statements)
    for name in ("snippets", "tqdm", "yaml", "import os", "sklearn"):
        assert name not in text
    assert not any("snippets" in statement for statement in import_statements(program))
    assert preload_statements([program, program]) == statements


def test_lazy_modules_are_resolved_ahead(
    project: Any, full: ForkedKernels, shared: dict[str, str]
) -> None:
    records = run(
        project,
        full,
        shared,
        """\
        # %%
        #| record:
        #|   there: there
        import sys
        there = "transformers.models.bert.modeling_bert" in sys.modules
        """,
    ).records
    assert records["there"]


def test_what_cannot_be_loaded_is_told_and_left_to_the_page() -> None:
    imports = Imports()
    imports.add(["import json", "import no_such_thing", "import csv"])
    while imports:
        imports.run_next([])
    assert imports.outcome == {
        "import json": None,
        "import no_such_thing": "ModuleNotFoundError: No module named 'no_such_thing'",
        "import csv": None,
    }


def test_what_is_waited_for_is_loaded_first_and_nothing_twice() -> None:
    imports = Imports()
    imports.add(["import json", "import csv", "import string"])
    assert imports.missing(["import csv", "import torch"]) == ["import csv"]
    imports.run_next(["import csv"])
    assert list(imports.outcome) == ["import csv"]
    imports.add(["import csv", "import json"])
    assert imports.missing(["import csv"]) == []
    imports.run_next(["import csv"])
    assert list(imports.outcome) == ["import csv", "import json"]


def test_a_fork_does_not_wait_for_what_others_need(
    shared: dict[str, str], tmp_path: Path
) -> None:
    statements = ["import time; time.sleep(2)", "import time; time.sleep(20)"]
    zygote = Zygote(shared, [*statements, "import csv"])
    started = time.monotonic()
    arguments = ["x", "-f", str(tmp_path / "c.json")]
    child = zygote.fork(arguments, str(tmp_path), {}, tmp_path / "log", ["import csv"])
    assert is_running(child.pid)
    assert time.monotonic() - started < 15
    assert not zygote.ready.done()
    os.kill(pid_of(zygote), signal.SIGKILL)
    zygote.close()


def test_nothing_more_is_loaded_once_nobody_listens(
    shared: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "loaded"
    zygote = Zygote(shared, ["import time; time.sleep(1)", f"open({str(file)!r}, 'w')"])
    time.sleep(0.3)
    zygote.close()
    assert not file.exists()


def test_it_ends_when_its_owner_hangs_up(light: Zygote, tmp_path: Path) -> None:
    light.ready.result(60)
    child = light.fork(
        ["x", "-f", str(tmp_path / "c.json")], str(tmp_path), {}, tmp_path / "l"
    )
    assert is_running(child.pid)
    light.close()
    assert not light.alive
    assert wait_until(lambda: not is_running(child.pid))
    assert child.wait(10) == -9


def test_its_end_waits_for_nothing(shared: dict[str, str]) -> None:
    zygote = Zygote(shared, ["import atexit, time; atexit.register(time.sleep, 60)"])
    zygote.ready.result(60)
    zygote.close()
    assert zygote._process.returncode == 0


def test_an_interrupt_from_the_keyboard_is_not_for_it(light: Zygote) -> None:
    light.ready.result(60)
    os.kill(pid_of(light), signal.SIGINT)
    time.sleep(0.2)
    assert light.alive


def test_its_children_do_not_survive_it(light: Zygote, tmp_path: Path) -> None:
    light.ready.result(60)
    log = tmp_path / "log"
    children = [
        light.fork(["x", "-f", str(tmp_path / f"{n}.json")], str(tmp_path), {}, log)
        for n in range(3)
    ]
    os.kill(pid_of(light), signal.SIGKILL)
    for child in children:
        assert wait_until(lambda pid=child.pid: not is_running(pid))
        assert child.wait(10) == -9
    with pytest.raises(RuntimeError, match="the zygote process has ended"):
        light.fork(["x"], str(tmp_path), {}, log)


def test_a_fork_that_was_asked_for_fails_when_the_zygote_dies(
    shared: dict[str, str], tmp_path: Path
) -> None:
    zygote = Zygote(shared, ["import time; time.sleep(60)"])
    os.kill(pid_of(zygote), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="the zygote process has ended"):
        zygote.fork(["x"], str(tmp_path), {}, tmp_path / "log")
    with pytest.raises(RuntimeError, match="the zygote process has ended"):
        zygote.ready.result(10)
    zygote.close()
