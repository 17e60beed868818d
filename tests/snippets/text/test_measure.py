import numpy as np
import pytest

from snippets.text.measure import interval, sample


def test_interval_agrees_with_the_normal_approximation():
    scores = [1.0] * 300 + [0.0] * 100
    low, high = interval(scores)
    margin = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert low == pytest.approx(0.75 - margin, abs=0.006)
    assert high == pytest.approx(0.75 + margin, abs=0.006)


def test_interval_is_the_same_for_the_same_seed_and_narrower_at_a_lower_level():
    scores = list(np.random.default_rng(0).random(50))
    assert interval(scores) == interval(scores)
    low, high = interval(scores, level=0.5)
    wide = interval(scores)
    assert wide[0] < low < high < wide[1]


def test_equal_scores_have_no_spread():
    assert interval([1, 1, 1]) == (1.0, 1.0)


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="wanted at least one"):
        interval([])


def test_sample_shows_both_kinds():
    right = [True] * 20 + [False] * 3
    good, bad = sample(right)
    assert len(good) == 5
    assert bad == [20, 21, 22]
    assert all(right[index] for index in good)
    assert sample(right) == (good, bad)
