"""Tells which imports of pages a zygote may run before it forks."""

from __future__ import annotations

from collections.abc import Sequence

from executor.assemble import Program, import_statements

# Packages whose import starts no thread and opens nothing that a fork must not share.
FORK_SAFE = frozenset(
    {
        "IPython",
        "PIL",
        "accelerate",
        "cv2",
        "datasets",
        "diffusers",
        "huggingface_hub",
        "ipykernel",
        "matplotlib",
        "numpy",
        "pandas",
        "safetensors",
        "scipy",
        "skimage",
        "sklearn",
        "tokenizers",
        "torch",
        "torchmetrics",
        "torchvision",
        "transformers",
    }
)
# What every kernel needs anyway.
_KERNEL_IMPORTS = [
    "import ipykernel.debugger",
    "import ipykernel.ipkernel",
    "import ipykernel.kernelapp",
    "import ipykernel.zmqshell",
    "import IPython.core.completer",
    # These it would load itself as it starts.
    "import IPython.core.completerlib",
    "import IPython.core.debugger",
    "import IPython.core.logger",
    "import IPython.core.magics.ast_mod",
    "import IPython.core.oinspect",
    "import IPython.extensions.storemagic",
    "import tornado.platform.asyncio",
]
_FIGURE_IMPORTS = [
    "import matplotlib_inline.config",  # not .backend_inline: it must meet its own shell
    "import matplotlib.backends.backend_svg",
    "import matplotlib.backends.backend_agg",
    "import IPython.core.magics.pylab",
    "import IPython.core.pylabtools",
]


def preload_statements(programs: Sequence[Program]) -> list[str]:
    """Returns the imports of ``programs`` that a zygote may run once for all of them."""
    statements = dict.fromkeys(_KERNEL_IMPORTS)
    for program in programs:
        for statement in import_statements(program):
            if statement.split()[1].split(".")[0] in FORK_SAFE:
                statements[statement] = None
    if any(" matplotlib" in statement for statement in statements):
        statements.update(dict.fromkeys(_FIGURE_IMPORTS))
    return list(statements)
