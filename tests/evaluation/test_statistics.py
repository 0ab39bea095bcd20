"""Differences of two models: against draws made one by one, the normal interval and coverage."""

import tracemalloc

import numpy as np
import pytest

from isic.evaluation.statistics import outcomes_text, paired_difference, read_outcomes


def outcomes(share, seeds=1, images=300, seed=0):
    """At random, (seeds, images)."""
    return (np.random.default_rng(seed).random((seeds, images)) < share).astype(int)


def one_by_one(a, b, draws=8000):
    """Mean difference and interval in percent, each draw made by itself."""
    rng = np.random.default_rng(1)
    seeds, images = a.shape
    means = []
    for _ in range(draws):
        drawn = np.ix_(rng.integers(seeds, size=seeds), rng.integers(images, size=images))
        means.append(100 * (a[drawn].mean() - b[drawn].mean()))
    return [100 * (a.mean() - b.mean()), *np.quantile(means, (0.025, 0.975))]


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_is_that_of_draws_made_one_by_one(seeds):
    a, b = outcomes(0.8, seeds, 40, seed=2), outcomes(0.5, seeds, 40, seed=3)
    mean, low, high = one_by_one(a, b)
    chance = 0.05 * (high - low) + 100 / a.size  # of an end, which is a multiple of the latter
    assert paired_difference(a, b) == pytest.approx([mean, low, high], abs=chance)


def test_of_one_seed_the_interval_is_the_normal_one():
    a, b = outcomes(0.7, images=2000), outcomes(0.6, images=2000, seed=1)
    mean, error = 100 * (a - b).mean(), 100 * (a - b).std() / np.sqrt(2000)
    expected = [mean, mean - 1.96 * error, mean + 1.96 * error]
    assert paired_difference(a, b) == pytest.approx(expected, abs=0.2 * error)


def test_of_a_hundred_intervals_95_hold_the_true_difference():
    holds = []
    for seed in range(400):
        a, b = outcomes(0.7, images=200, seed=seed), outcomes(0.6, images=200, seed=1000 + seed)
        _, low, high = paired_difference(a, b)
        holds.append(low <= 10 <= high)
    assert np.mean(holds) == pytest.approx(0.95, abs=0.035)


def test_the_same_images_make_a_difference_surer_than_as_many_others():
    a = np.tile([1, 1, 1, 0, 0], (2, 40))
    b = np.tile([1, 1, 0, 0, 0], (2, 40))
    paired, other = paired_difference(a, b), paired_difference(a, b[:, ::-1])
    assert paired[0] == other[0] == 20
    assert paired[2] - paired[1] < 0.7 * (other[2] - other[1])


def test_the_same_seeds_make_a_difference_surer_than_others():
    a = np.array([[1] * 50, [0] * 50])
    assert paired_difference(a, a) == (0, 0, 0)
    assert paired_difference(a, a[::-1]) == (0, -100, 100)


def test_a_constant_difference_has_an_interval_of_no_width():
    right = np.ones((3, 7), bool)
    assert paired_difference(right, ~right) == (100, 100, 100)
    assert paired_difference(~right, right) == (-100, -100, -100)
    assert paired_difference(right, right) == (0, 0, 0)


def test_seeds_that_disagree_widen_the_interval():
    a, nothing = np.array([[1] * 50, [0] * 50]), np.zeros((2, 50), int)
    assert paired_difference(a, nothing) == (50, 0, 100)  # one of four draws is of seed 0 alone


def test_the_same_input_gives_the_same_interval():
    a, b = outcomes(0.8, 3), outcomes(0.5, 3, seed=1)
    assert paired_difference(a, b) == paired_difference(a, b)


def test_the_benchmark_s_size_takes_little_memory():
    """50,000 images, ten seeds; most images differ between the models under some seed."""
    a, b = outcomes(0.7, 10, 50_000), outcomes(0.7, 10, 50_000, seed=1)
    b = np.where(outcomes(0.6, 10, 50_000, seed=2), a, b)
    tracemalloc.start()
    found = paired_difference(a, b)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert found[1] < found[0] < found[2] < found[1] + 1


def test_other_images_or_seeds_are_refused():
    with pytest.raises(ValueError, match="the same seeds and images"):
        paired_difference(outcomes(0.5, 1), outcomes(0.5, 3))


def test_outcomes_are_a_character_an_image():
    hit = np.array([True, False, False, True])
    assert outcomes_text(hit) == "1001"
    assert read_outcomes("1001").tolist() == [1, 0, 0, 1]
