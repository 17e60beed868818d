"""Functions that turn the files of a package into the files of a Hub repository.

A converter writes every file that the model's row lists into `target`. The files of the
package that it gets were checked before, and what it wrote is checked afterwards.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

Converter = Callable[[Mapping[str, Path], Path], None]


def copy(sources: Mapping[str, Path], target: Path) -> None:
    """Copy files as they are.

    They are copied, not linked: a link would break when the environment is rebuilt, and a
    hard link would let a damaged cache damage the installed package.

    Args:
        sources: Where each file of the package lies, by its relative path.
        target: An empty folder.
    """
    for name, path in sources.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)


CONVERTERS: Mapping[str, Converter] = {"copy": copy}
