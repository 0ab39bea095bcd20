"""Batches: what the samplers promise, and windows of images and masks that stay together."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isic.data.batches import (
    MEAN,
    STD,
    class_batches,
    cut_out,
    normalised,
    random_windows,
    shuffled,
)


@given(n=st.integers(1, 60), batch_size=st.integers(2, 9), seed=st.integers(0, 9))
def test_shuffled_gives_each_row_once(n: int, batch_size: int, seed: int) -> None:
    batches = list(shuffled(n, batch_size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches)) == list(range(n))
    sizes = [len(batch) for batch in batches]
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1
    assert n == 1 or sizes[-1] > 1  # batch norm cannot train on one row


def test_shuffled_shuffles() -> None:
    (a,), (b,) = (shuffled(50, 50, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, np.arange(50))


@st.composite
def data_sets(draw):
    counts = draw(st.lists(st.integers(0, 11), min_size=1, max_size=7).filter(any))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    near = rng.uniform(-1, 1, (len(counts), len(counts)))
    return labels, draw(st.sampled_from([near + near.T, None]))


@settings(max_examples=150, deadline=None)
@given(data_sets(), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_class_batches_keep_their_promises(data, p: int, k: int, seed: int) -> None:
    labels, near = data
    batches = list(class_batches(labels, near, p, k, np.random.default_rng(seed)))
    rows = np.concatenate(batches)
    assert rows.dtype == np.int64
    assert sorted(rows) == list(range(len(labels)))  # every image once

    sizes = Counter(labels.tolist())
    left = {c: -(-size // k) for c, size in sizes.items()}  # groups of at most K
    everything = sum(left.values())
    for number, batch in enumerate(batches):
        order = list(dict.fromkeys(labels[batch].tolist()))
        if sum(groups > 0 for groups in left.values()) < p:
            break
        last = number == len(batches) - 1
        first = order[:p]  # what is left joins the last batch
        assert last or len(order) == p
        assert last or max(Counter(labels[batch].tolist()).values()) <= k
        if near is not None:
            for place in range(1, p):  # each is the nearest to one of those before it
                before = near[first[:place]].max(0)
                free = [before[c] for c in left if left[c] and c not in first[:place]]
                assert before[first[place]] == max(free)
        for c in first:
            left[c] -= 1
    assert max(map(len, batches)) <= max(1.5 * p * k, k)
    assert everything < p or min(map(len, batches)) >= p * 0.5  # no tail of a few images


def test_images_of_a_class_meet_others_each_epoch() -> None:
    rng, labels = np.random.default_rng(0), np.zeros(12, int)
    first, second = (list(class_batches(labels, None, 1, 4, rng)) for _ in range(2))
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_a_class_with_many_images_is_drawn_more_often() -> None:
    """So that classes run out together, and few images are left for the last batches."""
    labels = np.repeat([0, 1, 2], [80, 8, 8])
    drawn = [labels[next(iter(epoch(labels, seed)))[0]] for seed in range(40)]
    assert 25 <= drawn.count(0) < 40


def epoch(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    return list(class_batches(labels, None, 1, 4, np.random.default_rng(seed)))


def test_a_small_rest_joins_the_last_batch() -> None:
    labels = np.repeat([0, 1, 2, 3, 4], [4, 4, 4, 4, 8])  # 6 groups
    for seed in range(9):
        sizes = [len(b) for b in class_batches(labels, None, 4, 4, np.random.default_rng(seed))]
        assert sizes == [24]


def test_an_epoch_has_no_tail() -> None:
    """20 classes of 30 images, 16 × 4 a batch: drawn without care, the last batches hold 1 to 4."""
    labels = np.repeat(np.arange(20), 30)
    near = np.random.default_rng(0).random((20, 20))
    for seed in range(5):
        batches = list(class_batches(labels, near, 16, 4, np.random.default_rng(seed)))
        assert all(len(np.unique(labels[batch])) >= 4 for batch in batches)
        assert min(map(len, batches)) > 32


def test_near_classes_meet() -> None:
    """20 pairs of near classes, 4 classes a batch: drawn at random they would hardly meet."""
    labels = np.repeat(np.arange(40), 4)
    near = np.kron(np.eye(20), np.ones((2, 2)))

    def meetings(s: np.ndarray | None) -> int:
        batches = class_batches(labels, s, 4, 4, np.random.default_rng(0))
        classes = [np.unique(labels[batch]) for batch in batches]
        return int(sum(near[np.ix_(c, c)].sum() - len(c) for c in classes)) // 2

    assert meetings(near) == 20
    assert meetings(None) < 8


def test_the_same_seed_gives_the_same_batches() -> None:
    labels = np.arange(30) % 6

    def epoch(seed: int) -> list[list[int]]:
        batches = class_batches(labels, None, 3, 2, np.random.default_rng(seed))
        return [batch.tolist() for batch in batches]

    assert epoch(3) == epoch(3)
    assert epoch(3) != epoch(4)


def test_cut_out_is_slicing() -> None:
    images = torch.randint(0, 256, (4, 9, 9, 3), dtype=torch.uint8)
    rows, top, left = np.array([3, 0, 3]), np.array([0, 2, 4]), np.array([4, 1, 0])
    flip = np.array([False, True, True])
    found = cut_out(images, rows, top, left, flip, 5)
    assert found.dtype == torch.uint8
    for i in range(3):
        window = images[rows[i], top[i] : top[i] + 5, left[i] : left[i] + 5]
        torch.testing.assert_close(found[i], window.flip(1) if flip[i] else window)


def test_masks_move_with_their_images() -> None:
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.integers(0, 256, (6, 20, 20), np.uint8))
    images = masks[..., None].expand(-1, -1, -1, 3)  # each image shows its mask
    rows = np.array([5, 1, 1, 0, 2, 4, 3, 5])
    window = random_windows(len(rows), 20, 13, rng)
    assert window[2].any()
    assert not window[2].all()
    torch.testing.assert_close(
        cut_out(images, rows, *window, 13)[..., 0], cut_out(masks, rows, *window, 13)
    )


def test_random_windows_reach_every_place() -> None:
    top, left, flip = random_windows(2000, 10, 7, np.random.default_rng(0))
    places = set(zip(top.tolist(), left.tolist(), strict=True))
    assert places == {(y, x) for y in range(4) for x in range(4)}
    assert 0.45 < flip.mean() < 0.55
    top, left, _ = random_windows(3, 8, 8, np.random.default_rng(0))
    assert not top.any()
    assert not left.any()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_normalised(value: int) -> None:
    x = normalised(torch.full((2, 4, 6, 3), value, dtype=torch.uint8))
    assert x.shape == (2, 3, 4, 6)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = (value / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(x[1, :, 2, 3].numpy(), expected, rtol=1e-5)
