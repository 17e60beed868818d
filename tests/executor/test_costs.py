"""What the pages cost, for prose."""

from executor import costs


def test_prose_finds_the_same_sums_before_any_page_has_run() -> None:
    row = costs.Cost("a.py", "A", 1.0, 1.0, 1, 1, 1, 1.0)

    assert costs.sums([]).keys() == costs.sums([row]).keys()
