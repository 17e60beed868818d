"""The tables of weights and data sets on `docs/reference/weights.md`."""

import re
from pathlib import Path

import yaml

from hub_mirror.manifest import models

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "weights.md"


def weights() -> str:
    """Return Markdown that describes every model: a table, and a table of digests."""
    rows = [
        f"| `{model.id}` | {model.package}, {model.package.licence} | {model.licence} | "
        f"{model.attribution} | {model.conversion} | {model.size / 1e6:.0f} MB | "
        f"{model.proof} |"
        for model in models()
    ]
    digests = [
        f"| `{model.id}` | `{model.package.sha256}` | `{model.digest}` |"
        for model in models()
    ]
    return "\n".join(
        [
            "| Hub id | package and its license | license | made by | conversion | "
            "size | what the check sees |",
            "| --- | --- | --- | --- | --- | ---: | --- |",
            *rows,
            "",
            "| Hub id | sha256 of the archive | digest of the files in the cache |",
            "| --- | --- | --- |",
            *digests,
        ]
    )


def data_sets() -> str:
    """Return a Markdown table that describes every committed data set."""
    rows = []
    for card in sorted((ROOT / "data").glob("*/README.md")):
        text = card.read_text(encoding="utf-8")
        head = yaml.safe_load(text.split("---\n")[1])
        packages = sorted(set(re.findall(r"(?:Debian|PyPI|npm): \S+ [0-9]\S*[\w]", text)))
        splits = ", ".join(
            f"{split['name']} {split['num_examples']:,}"
            for split in head["dataset_info"]["splits"]
        )
        digests = re.findall(r"\| `(\S+?)-00000\S+` .*`([0-9a-f]{64})` \|", text)
        licence = head.get("license_name", head["license"])
        rows.append(
            f"| `data/{card.parent.name}` | {head['pretty_name']} | "
            f"{'; '.join(packages)} | {licence} | {splits} | "
            f"{head['dataset_info']['download_size'] / 1e6:.2f} MB | "
            f"{'; '.join(f'{split} `{digest}`' for split, digest in digests)} |"
        )
    return "\n".join(
        [
            "| folder | what | package | license | rows | size | sha256 |",
            "| --- | --- | --- | --- | --- | ---: | --- |",
            *rows,
        ]
    )


def fill_page(text: str) -> str:
    """Put the tables into a page, between their marks.

    Args:
        text: The page; `<!-- weights -->` and `<!-- /weights -->` enclose a table, and so
            do `<!-- data sets -->` and `<!-- /data sets -->`.

    Returns:
        The page with the tables of now.
    """
    for name, table in (("weights", weights()), ("data sets", data_sets())):
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{table}\n{end}{rest.partition(end)[2]}"
    return text
