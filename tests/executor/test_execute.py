"""Running pages: outputs, records, limits, isolation, in both kinds of kernels."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from executor.errors import PageError
from executor.execute import execute
from executor.kernels import SpawnedKernels


def texts(execution: Any) -> list[str]:
    """What a page printed or displayed as text, in order."""
    return [
        output.get("text") or output["data"]["text/plain"]
        for outputs in execution.outputs
        for output in outputs
    ]


def error_of(run: Any, text: str) -> PageError:
    with pytest.raises(PageError) as caught:
        run(text)
    return caught.value


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_outputs_come_in_order_with_their_kinds(run: Any) -> None:
    execution = run(
        """\
        # %% [markdown]
        # # Title

        # %%
        import sys
        print("one")
        print("two", file=sys.stderr)
        3

        # %%

        # %%
        # a comment

        # %%
        from IPython.display import display
        display("four")
        print("five")
        """
    )
    kinds = [[output["output_type"] for output in cell] for cell in execution.outputs]
    assert kinds == [
        ["stream", "stream", "execute_result"],
        [],
        [],
        ["display_data", "stream"],
    ]
    first = execution.outputs[0]
    assert [output.get("name") for output in first] == ["stdout", "stderr", None]
    assert first[2]["execution_count"] == 1
    assert texts(execution) == ["one\n", "two\n", "3", "'four'", "five\n"]
    assert execution.seconds > 0
    assert execution.peak_memory > 20e6
    assert execution.records == {}


FIGURE = """\
# %%
from matplotlib import pyplot as plt

figure, axes = plt.subplots()
axes.plot([1, 2, 4])
axes.set_xlabel("epoch");
"""


def test_a_figure_is_svg_with_text_and_the_same_in_every_run(run: Any) -> None:
    runs = [run(FIGURE).outputs for _ in range(2)]
    assert runs[0] == runs[1]
    ((figure,),) = runs[0]
    assert figure["output_type"] == "display_data"
    assert "image/png" not in figure["data"]
    svg = figure["data"]["image/svg+xml"]
    assert ">epoch</text>" in svg
    assert 'width="432pt"' in svg  # 6 inches, as the style says: not cropped


def test_records_of_every_kind(run: Any) -> None:
    execution = run(
        """\
        # %%
        #| record:
        #|   integer: 2 + 3
        #|   text: name * 2
        #|   long: >-
        #|     "x" * 5000 +
        #|     "y"
        #|   several: "[1, 2.5, 'a', None, True]"
        #|   mapping: "{'a': 1}"
        #|   single: np.float32(0.5)
        #|   whole: np.int64(7)
        #|   array: np.arange(3)
        #|   scalar: torch.tensor(1.5, requires_grad=True)
        #|   tensor: torch.ones(1, 2)
        #|   constant: 3
        import numpy as np, torch
        name = "é'\\\\n"
        # %%
        #| record: {later: len(name)}
        1
        """
    )
    assert execution.records == {
        "integer": 5,
        "text": "é'\\né'\\n",
        "long": "x" * 5000 + "y",
        "several": [1, 2.5, "a", None, True],
        "mapping": {"a": 1},
        "single": 0.5,
        "whole": 7,
        "array": [0, 1, 2],
        "scalar": 1.5,
        "tensor": [[1.0, 1.0]],
        "constant": 3,
        "later": 4,
    }
    assert texts(execution) == ["1"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("object()", "AttributeError"),
        ("missing", "NameError: name 'missing' is not defined"),
        ("float('nan')", "ValueError: Out of range float values"),
        ("1 +", "SyntaxError"),
    ],
)
def test_a_value_that_cannot_be_recorded(
    project: Any, zygote: Any, environment: Any, expression: str, problem: str
) -> None:
    program = project.program(
        f"# %%\nx = 1\n\n# %%\n#| record:\n#|   y: {expression}\nx = 2\n"
    )
    with pytest.raises(PageError) as caught:
        asyncio.run(execute(project.root, program, zygote, environment))
    assert caught.value.place == "docs/chapter/page.py:7"
    assert (
        f"cannot record y, the value of '{expression}'"
        in caught.value.message.replace('"', "'")
    )
    assert problem in caught.value.message
    assert "must be a number, a text, or a list" in caught.value.message


def test_an_error_names_the_author_s_line_and_where_it_arose(
    project: Any, run: Any
) -> None:
    project.snippet(
        '"""Doc."""\n\n\ndef check(x):\n    if x < 0:\n'
        '        raise ValueError(f"saw {x}, wanted 0 or more")\n    return x\n'
    )
    error = error_of(
        run,
        """\
        # %%
        from snippets.chapter.code import check

        # %%
        # a comment
        x = -1
        check(x)
        """,
    )
    assert error.place == "docs/chapter/page.py:7"
    assert error.message == (
        "cell 2 raised ValueError: saw -1, wanted 0 or more, "
        "raised at snippets/chapter/code.py:6"
    )
    assert error.details.splitlines()[-1] == "ValueError: saw -1, wanted 0 or more"
    assert len(error.details.splitlines()) <= 12
    assert "\x1b" not in str(error)


def test_kinds_of_errors(project: Any, kernels: Any, environment: Any) -> None:
    cells = {
        "syntax": ("x = 1\ny = = 2\n", 3, "cell 1 raised SyntaxError: invalid syntax"),
        "indent": ("if x:\ny = 2\n", 3, "cell 1 raised IndentationError"),
        "exit": ("x = 1\nraise SystemExit(3)\n", None, "cell 1 raised SystemExit: 3"),
        "interrupt": ("x = 1\nraise KeyboardInterrupt\n", 3, "cell 1 raised Keyboard"),
        "assertion": ("x = 1\nassert not x\n", 3, "cell 1 raised AssertionError"),
        "library": ('import json\n\njson.loads("{")\n', 4, "cell 1 raised JSONDecodeErr"),
        "chain": (
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
            "    raise ValueError('no') from error\n",
            5,
            "cell 1 raised ValueError: no",
        ),
        "deprecation": (
            "import warnings\nwarnings.warn('old', DeprecationWarning)\n",
            3,
            "cell 1 raised DeprecationWarning: old",
        ),
        "future": (
            "import warnings\nwarnings.warn('soon', FutureWarning)\n",
            3,
            "cell 1 raised FutureWarning: soon",
        ),
        "user": ("import warnings\nwarnings.warn('hm')\n", 3, "raised UserWarning: hm"),
        "dead": ("import os\nos.kill(os.getpid(), 9)\n", 2, "the kernel died in cell 1"),
        "quit": ("exit()\n\n# %%\nx = 1\n", None, "cell 1 raised SystemExit"),
    }
    if isinstance(kernels, SpawnedKernels):  # slow to start, and mostly the same
        cells = {name: cells[name] for name in ("exit", "deprecation", "dead", "quit")}
    programs = {
        name: project.program(f"# %%\n{text}", f"{name}.py")
        for name, (text, _, _) in cells.items()
    }

    async def all_of_them() -> dict[str, object]:
        slots = asyncio.Semaphore(2)

        async def one(name: str) -> object:
            async with slots:
                try:
                    return await execute(
                        project.root, programs[name], kernels, environment
                    )
                except PageError as error:
                    return error

        names = list(programs)
        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))

    outcome = asyncio.run(all_of_them())
    for name, (_, line, words) in cells.items():
        error = outcome[name]
        assert isinstance(error, PageError), name
        assert words in error.message, name
        place, _, number = error.place.rpartition(":")
        assert place == f"docs/{name}.py"
        assert line is None or int(number) == line, name


@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        "import time; time.sleep(99)",
        "import json; json.dumps = print  # which the kernel needs",
    ],
)
def test_a_page_that_takes_too_long_is_stopped(run: Any, cell: str) -> None:
    start = time.monotonic()
    error = error_of(
        run,
        f"""\
        # %% [markdown]
        # ---
        # executor:
        #   timeout: 1
        # ---
        # # T

        # %%
        x = 1

        # %%
        {cell}
        """,
    )
    assert error.place == "docs/chapter/page.py:12"
    assert "stopped in cell 2: the page ran longer than its 1 s" in error.message
    assert "executor.timeout" in error.message
    assert time.monotonic() - start < 30


def test_the_start_of_a_kernel_does_not_count_as_time_of_the_page(
    project: Any, environment: Any
) -> None:
    slow = {**environment, "PYTHONPATH": str(project.root / "slow")}
    project.write("slow/sitecustomize.py", "import time\ntime.sleep(1.5)\n")
    program = project.program(
        "# %% [markdown]\n# ---\n# executor:\n#   timeout: 1\n# ---\n\n# %%\n1\n"
    )
    execution = asyncio.run(execute(project.root, program, SpawnedKernels(), slow))
    assert texts(execution) == ["1"]
    assert execution.seconds < 1


def test_a_page_that_takes_too_much_memory_is_stopped_and_no_other(
    project: Any, kernels: Any, environment: Any
) -> None:
    front = "# %% [markdown]\n# ---\n# executor:\n#   memory_gb: 1\n# ---\n\n"
    greedy = project.program(
        front + "# %%\nx = 1\n\n# %%\nx = b'1' * 1_300_000_000\n"
        "import time; time.sleep(60)\n",
        "greedy.py",
    )
    modest = project.program(
        front + "# %%\nimport time\ntime.sleep(1.5)\n1\n", "modest.py"
    )

    async def both() -> list[Any]:
        return await asyncio.gather(
            *(
                execute(project.root, program, kernels, environment)
                for program in (greedy, modest)
            ),
            return_exceptions=True,
        )

    error, execution = asyncio.run(both())
    assert isinstance(error, PageError)
    assert error.place == "docs/greedy.py:11"
    assert "stopped in cell 2: the page used 1." in error.message
    assert "more than its 1 GB (executor.memory_gb" in error.message
    assert texts(execution) == ["1"]


def test_memory_that_was_used_for_a_moment_counts(
    project: Any, zygote: Any, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.execute._WATCH_SECONDS", 60)
    program = project.program(
        "# %% [markdown]\n# ---\n# executor:\n#   memory_gb: 1\n# ---\n\n"
        "# %%\nx = b'1' * 1_300_000_000\ndel x\n"
    )
    with pytest.raises(PageError, match=r"more than its 1 GB"):
        asyncio.run(execute(project.root, program, zygote, environment))


CHILDREN = """\
# %%
import subprocess, sys, os, signal
code = "import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-S", "-c", code])
# Its parent is gone, it leads a session of its own, and it heeds no request to end.
orphan = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-S', '-c', "
orphan += repr("import signal; signal.signal(15, signal.SIG_IGN); " + code)
orphan += "], start_new_session=True, stdout=subprocess.DEVNULL, "
orphan += "stderr=subprocess.DEVNULL).pid)"
away = subprocess.run([sys.executable, "-S", "-c", orphan], stdout=-1, text=True)
with open(FILE, "w") as file:
    print(child.pid, away.stdout, file=file)
"""


@pytest.mark.parametrize("end", ["", "1 / 0", "os.kill(os.getpid(), 9)"])
def test_nothing_that_a_page_started_outlives_it(
    run: Any, tmp_path: Path, end: str
) -> None:
    file = tmp_path / "pids"
    text = CHILDREN.replace("FILE", repr(str(file))) + end + "\n"
    if end:
        error_of(run, text)
    else:
        run(text)
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def test_a_page_works_in_an_empty_folder_that_goes_away(project: Any, run: Any) -> None:
    project.write("data/x.csv", "1,2\n")
    execution = run(
        """\
        # %% [markdown]
        # ---
        # executor:
        #   data: [data/x.csv]
        # ---

        # %%
        #| record:
        #|   cwd: os.getcwd()
        #|   listing: sorted(os.listdir())
        #|   path: list(sys.path)
        #|   tmp: tempfile.mkdtemp()
        #|   datasets: str(datasets.config.HF_DATASETS_CACHE)
        #|   names: sorted(name for name in dir() if not name.startswith("_"))
        import os, sys, tempfile, datasets
        from pathlib import Path
        Path("data/x.csv").read_text()
        """
    )
    assert texts(execution) == ["'1,2\\n'"]
    records = execution.records
    folder = Path(records["cwd"])
    assert records["listing"] == ["data"]
    assert folder.is_relative_to(tempfile.gettempdir())
    assert Path(records["tmp"]).parent == folder.parent / "tmp"
    assert Path(records["datasets"]).is_relative_to(folder.parent)
    assert not folder.parent.exists()
    assert (project.root / "data" / "x.csv").read_text() == "1,2\n"
    root = str(Path(__file__).parents[2])
    assert root not in records["path"]
    assert not {"snippets", "warnings", "pathlib"} & set(records["names"])


def test_a_page_leaves_no_trace_in_the_next(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    look = """\
        # %%
        #| record:
        #|   here: >-
        #|     [os.environ.get('LEFT'), hasattr(textwrap, 'left'), textwrap.dedent(' 1')]
        #|   drawn: "[random.random(), float(np.random.rand())]"
        #|   torch: "[torch.rand(1).item(), torch.get_num_threads()]"
        #|   figures: "[len(plt.get_fignums()), plt.rcParams['lines.linewidth']]"
        import os, random, textwrap
        import numpy as np, torch
        from matplotlib import pyplot as plt
        """
    first = run(
        look
        + """
        # %%
        os.environ["LEFT"] = "x"
        textwrap.left = 1
        textwrap.dedent = print
        torch.manual_seed(5)
        torch.set_num_threads(2)
        np.random.seed(5)
        random.seed(5)
        plt.rcParams["lines.linewidth"] = 9
        os.mkdir("left")
        """
    )
    second = run(look)
    assert second.records["here"] == [None, False, "1"] == first.records["here"]
    assert second.records["torch"][1] == 1
    assert second.records["figures"] == [0, 2.0]
    # Unseeded numbers differ from run to run, as they would for a reader.
    assert first.records["drawn"][0] != second.records["drawn"][0]
    assert first.records["drawn"][1] != second.records["drawn"][1]


LIBRARIES = """\
# %%
import datasets, pandas as pd, numpy as np, torch
from matplotlib import pyplot as plt
from transformers import BertConfig, BertModel

torch.manual_seed(0)
model = BertModel(
    BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32,
    )
).eval()
with torch.no_grad():
    hidden = model(torch.arange(8).reshape(1, 8)).last_hidden_state
hidden[0, :2, :4]

# %%
data = datasets.Dataset.from_dict({"x": list(range(50)), "y": ["a", "b"] * 25})
data = data.map(lambda row: {"z": row["x"] ** 2}).filter(lambda row: row["y"] == "a")
data

# %%
frame = pd.DataFrame(data[:])
frame.groupby("y").agg({"z": ["mean", "max"]})

# %%
frame.plot(x="x", y="z");

# %%
torch.set_num_threads(2)
left = torch.rand(300, 300)
same = np.allclose((left @ left).numpy(), left.numpy() @ left.numpy(), rtol=1e-4)
print(same, torch.get_num_threads())
"""


def test_forked_and_spawned_kernels_show_the_same(
    project: Any, zygote: Any, environment: Any
) -> None:
    program = project.program(LIBRARIES)

    async def runs() -> list[Any]:
        return await asyncio.gather(
            *(
                execute(project.root, program, kernels, environment)
                for kernels in (zygote, zygote, SpawnedKernels())
            )
        )

    forked, again, spawned = asyncio.run(runs())
    assert forked.outputs == again.outputs
    assert forked.outputs == spawned.outputs
    kinds = [[output["output_type"] for output in cell] for cell in forked.outputs]
    assert kinds == [
        ["execute_result"],
        ["execute_result"],
        ["execute_result"],
        ["display_data"],
        ["stream"],
    ]
    assert "num_rows: 25" in texts(forked)[1]
    assert texts(forked)[4] == "True 2\n"


def test_a_page_without_code_runs(run: Any) -> None:
    assert run("# %% [markdown]\n# # Title\n").outputs == []


def test_a_kernel_that_does_not_start_is_told(
    project: Any, environment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = {**environment, "PYTHONPATH": str(project.root / "broken")}
    project.write("broken/ipykernel_launcher.py", "raise SystemExit('no kernel today')\n")
    program = project.program("# %%\n1\n")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(PageError) as caught:
        asyncio.run(execute(project.root, program, SpawnedKernels(), broken))
    assert caught.value.place == "docs/chapter/page.py"
    assert "the kernel did not start" in caught.value.message
    assert "no kernel today" in caught.value.details
    assert not list(tmp_path.glob("page-*"))


def test_a_cancelled_run_ends_its_kernel(
    project: Any, kernels: Any, environment: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    program = project.program(
        f"# %%\nimport os, time\nopen({str(file)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )

    async def cancel() -> None:
        task = asyncio.create_task(execute(project.root, program, kernels, environment))
        while not (file.exists() and file.read_text()):
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert not is_running(int(file.read_text()))


def test_a_kernel_that_does_not_start_leaves_nothing_open(
    project: Any, environment: Any
) -> None:
    managers = []

    class Broken(SpawnedKernels):
        def manager(self, *arguments: Any) -> Any:
            manager = super().manager(*arguments)

            async def launch_kernel(*args: Any, **kwargs: Any) -> Any:
                raise RuntimeError("no process to be had")

            manager.provisioner.launch_kernel = launch_kernel
            managers.append(manager)
            return manager

    program = project.program("# %%\n1\n")
    with pytest.raises(PageError, match="did not start"):
        asyncio.run(execute(project.root, program, Broken(), environment))
    assert managers[0].context.closed
