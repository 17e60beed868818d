import numpy as np
import pytest
from sklearn.metrics import v_measure_score

from snippets.text.clustering import cluster, majority, pick, typical_words, v_measure


@pytest.fixture(scope="module")
def clouds() -> tuple[np.ndarray, list[str]]:
    generator = np.random.default_rng(0)
    centers = np.eye(3, 8) * 5
    points = np.concatenate(
        [center + generator.normal(size=(20, 8)) for center in centers]
    )
    return points, ["a"] * 20 + ["b"] * 20 + ["c"] * 20


def test_pick_takes_as_many_of_each_group():
    texts = [f"text {index}" for index in range(30)]
    groups = ["x", "y", "z"] * 10
    kept, names = pick(texts, groups, ["z", "x"], count=4)
    assert names == ["z"] * 4 + ["x"] * 4
    assert len(set(kept)) == 8
    own = dict(zip(texts, groups, strict=True))
    assert [own[text] for text in kept] == names
    assert pick(texts, groups, ["z", "x"], 4, seed=1)[0] != kept


def test_pick_refuses_a_small_group():
    with pytest.raises(ValueError, match="x has 1 texts, wanted 2"):
        pick(["one"], ["x"], ["x"], count=2)


def test_clouds_that_lie_apart_are_found(clouds):
    points, groups = clouds
    numbers = cluster(points, k=3)
    value, low, high = v_measure(groups, numbers)
    assert value == pytest.approx(v_measure_score(groups, numbers))
    assert value > 0.9
    assert low <= value + 1e-9
    assert high <= 1 + 1e-9
    assert np.mean(np.array(majority(groups, numbers)) == np.array(groups)) > 0.95


def test_random_clusters_agree_with_nothing(clouds):
    _, groups = clouds
    numbers = np.random.default_rng(1).integers(3, size=60)
    assert v_measure(groups, numbers)[0] < 0.15


def test_more_clusters_than_texts_are_refused(clouds):
    with pytest.raises(ValueError, match="wanted at most the number of texts, 2"):
        cluster(clouds[0][:2], k=3)


def test_typical_words_are_those_of_one_cluster():
    texts = [
        "the ship sails",
        "a ship and a sail",
        "the priest prays",
        "priest and altar",
    ]
    words = typical_words(texts, np.array([0, 0, 1, 1]), count=1)
    assert words == ["ship", "priest"]
