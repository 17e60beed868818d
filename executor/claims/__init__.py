"""The claims ledger: every fact from outside, once, with its source and its date.

A claim is an entry in `data/claims/*.yml`. Prose cites it with a mark that reads well
in an editor: `It raised $235M [@series-d-2023].` Several claims share one mark:
`[@series-d-2023; @series-d-lead]`. This package loads the ledger, checks it, and turns
marks into numbered references. It knows Markdown and HTML, and nothing of MkDocs.
"""

from executor.claims.ledger import (
    CATEGORIES,
    Claim,
    ClaimError,
    Ledger,
    human_date,
    load,
    short_count,
)
from executor.claims.marks import cited, plain, render, tooltip
from executor.claims.overview import bibliography, freshness, stale, uncited
from executor.claims.prose import Problem, check_prose
from executor.claims.timeline import counts, expand, timeline

__all__ = [
    "CATEGORIES",
    "Claim",
    "ClaimError",
    "Ledger",
    "Problem",
    "bibliography",
    "check_prose",
    "cited",
    "counts",
    "expand",
    "freshness",
    "human_date",
    "load",
    "plain",
    "render",
    "short_count",
    "stale",
    "timeline",
    "tooltip",
    "uncited",
]
