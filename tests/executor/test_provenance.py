"""Where outputs come from: commit, versions, seeds."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from executor.execute import Execution
from executor.provenance import commit, processor, provenance_of, seeds


@pytest.fixture
def git(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "GIT_CEILING_DIRECTORIES": str(project.root.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(project.root), *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    return run


def test_the_commit_and_whether_files_differ_from_it(project: Any, git: Any) -> None:
    assert commit(project.root) is None  # outside git
    git("init", "--quiet")
    assert commit(project.root) is None  # nothing committed yet
    project.page("# %%\n1\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert len(head) == 40
    assert commit(project.root) == head
    project.write("notes.txt", "not of the site\n")
    assert commit(project.root) == head
    changed = project.page("# %%\n2\n")
    assert commit(project.root) == f"{head}+"
    git("checkout", "--quiet", str(changed))
    project.write("data/new.csv", "1\n")
    assert commit(project.root) == f"{head}+"


def test_without_git_there_is_no_commit(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project.root))
    assert commit(project.root) is None


def test_seeds_are_found_in_order(project: Any) -> None:
    project.snippet(
        '"""Doc."""\n\nimport torch\n\n\ndef make():\n'
        "    return torch.Generator().manual_seed(7)\n"
    )
    program = project.program(
        """\
        # %%
        import numpy as np, torch
        from transformers import set_seed
        x = [torch.manual_seed(1) for _ in range(2)]; set_seed(seed=0)
        # %%
        # %precision 3
        rng = np.random.default_rng(3)
        # %%
        from snippets.chapter.code import make
        set_seed(variable)
        set_seed()
        set_seed(seed=0)
        other(5)
        """
    )
    assert seeds(program) == [
        "torch.manual_seed(1)",
        "set_seed(seed=0)",
        "np.random.default_rng(3)",
        "torch.Generator().manual_seed(7)",
    ]


def test_everything_is_told(project: Any, git: Any) -> None:
    import numpy

    project.write("data/x.csv", "1\n")
    program = project.program(
        "# %% [markdown]\n# ---\n# executor:\n#   data: [data/x.csv]\n"
        "#   weights: [a/b]\n# ---\n\n# %%\nimport numpy as np\nnp.random.seed(4)\n"
    )
    made = {"out": {"model.safetensors": b"1234", "README.md": b"12"}}
    execution = Execution([[]], {}, 1.25, 5_000_000, 0.5, made)
    used = {"vit": {"page": "vision/vit.py", "digest": "d", "bytes": 700}}
    found = provenance_of(project.root, program, execution, used)
    assert found["checkpoints_used"] == used
    assert found["checkpoints_made"]["out"]["bytes"] == 6
    assert found["weight_bytes"] == 700
    assert found["commit"] is None
    assert found["packages"] == {"numpy": numpy.__version__}
    assert found["seeds"] == ["np.random.seed(4)"]
    assert (found["weights"], found["data"]) == (["a/b"], ["data/x.csv"])
    assert (found["seconds"], found["peak_memory"]) == (1.25, 5_000_000)
    assert found["cores"] == os.cpu_count()
    assert found["processor"] == processor()
    assert processor().strip()
    assert len(found["date"]) == 10
    assert json.loads(json.dumps(found)) == found
    assert str(Path.home()) not in json.dumps(found)
