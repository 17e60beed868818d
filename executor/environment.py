"""The environment variables that kernels run with: offline, deterministic, quiet."""

from __future__ import annotations

import os
import re
from pathlib import Path

_GUARD = Path(__file__).with_name("guard")
# The variable that tells the guard where to write what a page tried to reach.
NETWORK_LOG = "EXECUTOR_NETWORK_LOG"
_STYLE = Path(__file__).with_name("matplotlibrc")

# One thread a page: as many pages run at once as there are cores, and sums come out the
# same whatever their number. PASSIVE keeps waiting threads off a shared core.
FIXED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "",
    # pyarrow's allocator: no thread of its own, which a fork would not have.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "SOURCE_DATE_EPOCH": "1577836800",  # matplotlib writes this date into SVG files
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TZ": "UTC",
    "COLUMNS": "88",
    "PYTHONUTF8": "1",
}
# What a shell may set that would change a page, or lead it round the guard: a proxy on
# this machine passes for local.
_DROPPED = re.compile(
    r"(PYTHON|HF_|HUGGING|TRANSFORMERS_|TORCH|PYTORCH_|DATASETS_|MPL|JUPYTER|JPY_|IPY"
    r"|FORCE_COLOR$|CLICOLOR_FORCE$)|.*_PROXY$",
    re.IGNORECASE,
)
# Each kernel runs this before the page: any warning is an error, other than those of the
# kernel's own machinery, and of tqdm, which misses ipywidgets (no page shows widgets).
# Figures are SVG in the size that the style gives them.
STARTUP = """\
import warnings
warnings.simplefilter("error")
warnings.filterwarnings(
    "ignore",
    module=r"(asyncio|IPython|ipykernel|jupyter_\\w+|tornado|traitlets|zmq)(\\.|$)",
)
warnings.filterwarnings("ignore", category=ResourceWarning)  # as Python does by itself
warnings.filterwarnings("ignore", message="IProgress not found|InlineBackend\\\\.")
get_ipython().config.InlineBackend.figure_formats = {"svg"}
get_ipython().config.InlineBackend.print_figure_kwargs = {"bbox_inches": None}
import os, pathlib, sys, tempfile
exit = quit = sys.exit  # an error; IPython's own would end the kernel some time later
# A fork has modules that looked around before there was a page.
tempfile.tempdir = None
if "matplotlib.pyplot" in sys.modules:
    get_ipython().run_line_magic("matplotlib", "inline")
if "datasets.config" in sys.modules:
    sys.modules["datasets.config"].HF_DATASETS_CACHE = pathlib.Path(
        os.environ["HF_DATASETS_CACHE"]
    )
del os, pathlib, sys, tempfile, warnings
"""


def shared_environment(cache: Path) -> dict[str, str]:
    """Returns the environment of the zygote.

    With ``page_environment`` it is that of each kernel.

    Args:
        cache: The project's ``.cache`` folder.
    """
    environment = {
        name: value for name, value in os.environ.items() if not _DROPPED.match(name)
    }
    environment |= FIXED
    environment |= {
        "PYTHONPATH": str(_GUARD),
        "HF_HOME": str(cache / "huggingface"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "IPYTHONDIR": str(cache / "ipython"),
        "JUPYTER_CONFIG_DIR": str(cache / "ipython"),
        "JUPYTER_NO_CONFIG": "1",
    }
    if _STYLE.exists():
        environment["MATPLOTLIBRC"] = str(_STYLE)
    return environment


def page_environment(folder: Path) -> dict[str, str]:
    """Returns what differs from page to page.

    Args:
        folder: The page's own temporary folder.
    """
    return {
        "TMPDIR": str(folder / "tmp"),
        "HF_DATASETS_CACHE": str(folder / "tmp" / "datasets"),
        "JUPYTER_RUNTIME_DIR": str(folder),
        NETWORK_LOG: str(folder / "network.log"),
    }
