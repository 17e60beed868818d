"""Figures reach the page between its markers, and nowhere else."""

import re

import pytest

from benchmarks import report
from benchmarks.build import PAGE
from benchmarks.report import CASES, COLD, NOTHING, SHARED, Results, Sample
from benchmarks.tools import FLOOR, JUPYTER, MYST, OURS, POOL

TEXT = """\
# Title

It took <!-- benchmark: cold -->1 s<!-- /benchmark --> here, and
there <!-- benchmark: other -->2 s<!-- /benchmark -->.

<!-- benchmark: table -->

| old |

<!-- /benchmark -->

The end, with a | in it.
"""


def results() -> Results:
    made = Results()
    for seconds in (11.0, 10.0, 90.0):
        made.add(COLD, OURS, Sample(seconds, 2_000_000_000, True))
    made.add(NOTHING, OURS, Sample(3.0, 1, True))
    made.add(SHARED, OURS, Sample(6.0, 1, True))
    made.add(COLD, JUPYTER, Sample(110.0, 1_000_000_000, True))
    made.add(NOTHING, JUPYTER, Sample(2.0, 1, True))
    made.add(SHARED, JUPYTER, Sample(2.0, 1, False))
    made.add(COLD, POOL, Sample(55.0, 3_000_000_000, True))
    made.add(NOTHING, FLOOR, Sample(2.5, 1, True))
    return made


def test_only_what_stands_between_markers_changes() -> None:
    filled = report.fill(TEXT, {"cold": "9 s", "table": "| a |\n| - |\n| b |"})

    assert filled == TEXT.replace(">1 s<", ">9 s<").replace(
        "| old |", "| a |\n| - |\n| b |"
    )


def test_filling_twice_changes_nothing_more() -> None:
    said = {"cold": "9 s", "table": "| a |\n| - |"}
    once = report.fill(TEXT, said)

    assert report.fill(once, said) == once


def test_an_open_marker_is_an_error() -> None:
    broken = TEXT.replace("1 s<!-- /benchmark -->", "1 s")

    with pytest.raises(ValueError, match=r"follows benchmark: cold"):
        report.fill(broken, {"cold": "9 s"})


def test_ratios_are_of_medians() -> None:
    said = report.values(results(), 20)

    assert said["cold"] == "11.0 s"
    assert said["cold-mkdocs-jupyter"] == "10.0"
    assert said["cold-pool"] == "5.0"
    assert said["floor-ratio"] == "1.20"
    assert said["repeats"] == "3"


def test_the_table_says_who_shows_old_output() -> None:
    header, *body = report.rows(results())

    assert header == ["Build", "This site", "mkdocs-jupyter", "nbclient pool"]
    cells = {row[0]: row[1:] for row in body}
    assert cells[CASES[COLD]] == ["11.0 s", "110 s, 10.0×", "55 s, 5.0×"]
    assert cells[CASES[SHARED]] == [
        "6.0 s",
        "2.0 s, 0.3×; **shows the old output**",
        "as cold",
    ]
    assert cells["Largest memory, cold"] == ["2.0 GB", "1.0 GB", "3.0 GB"]
    assert all(len(row) == len(header) for row in body)


def test_where_others_are_better_is_said() -> None:
    better = report.better(results())

    assert "- Nothing changed: mkdocs-jupyter took 2.0 s against 3.0 s." in better
    assert "2.0 s against 6.0 s, but showed the old output." in better
    assert "mkdocs-jupyter took 1.0 GB against 2.0 GB." in better
    assert "pool" not in better
    assert "no other tool" in report.better(Results())


def test_a_line_of_the_page_starts_with_a_marker_only_if_that_is_a_block() -> None:
    text = PAGE.read_text(encoding="utf-8")

    for match in re.finditer(r"^<!-- (/?benchmark).*", text, re.MULTILINE):
        assert match[0].endswith("-->")
        assert match[0].count("<!--") == 1
        assert text[: match.start()].endswith("\n\n")
        assert text[match.end() :].startswith("\n\n") or text[match.end() :] == "\n"


def test_growth_gives_the_time_of_a_page() -> None:
    cold = Sample(20.0, 1_000_000_000, True)
    table = report.growth({50: (cold, Sample(3.0, 1, True))})

    assert table[1] == ["50", "20 s", "0.40 s", "3.0 s", "1.0 GB"]


def test_the_page_names_only_figures_that_a_run_gives() -> None:
    made = results()
    made.add(COLD, MYST, Sample(60.0, 1, True))
    known = set(report.values(made, 20))
    known |= {"growth", "growth-page", "growth-pool", "growth-pool-count"}
    known |= {f"serve-{name}" for name in ("code", "slowest", "compute", "prose")}
    known |= {"serve-edits", "serve-count"}
    known |= {f"{part}-context" for part in ("table", "growth", "serve")}
    text = PAGE.read_text(encoding="utf-8")

    assert {"table", "better", "cold-pool"} <= set(report.names(text)) <= known
    report.fill(text, {})
