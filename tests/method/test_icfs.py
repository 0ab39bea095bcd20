"""ICFS against Eq. 5 written out as its sums."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isic.method.icfs import icfs_loss, icfs_weights


def triple_sum(x: np.ndarray, labels: list[int], similar: np.ndarray) -> float:
    """Eq. 5, naively: the mean over i of the mean over j ∈ M_i of the mean over the pairs (p, q).

    Every count is the batch's; p = q is no pair, and what has no pair is no term. ‖·‖² is the
    mean over the channels.
    """
    batch = sorted(set(labels))
    of_class = {c: [p for p, label in enumerate(labels) if label == c] for c in batch}
    classes = []
    for i in batch:
        terms = []
        for j in batch:
            if not similar[i, j]:
                continue
            pairs = [
                float(((x[p] - x[q]) ** 2).mean())
                for p in of_class[i]
                for q in of_class[j]
                if p != q
            ]
            if pairs:
                terms.append(sum(pairs) / len(pairs))
        if terms:
            classes.append(sum(terms) / len(terms))
    return sum(classes) / len(classes) if classes else 0.0


def sets(classes: int, *pairs: tuple[int, int]) -> np.ndarray:
    """The M_i as rows; (i, j) says j ∈ M_i alone, so that a transposed use shows."""
    similar = np.eye(classes, dtype=bool)
    for i, j in pairs:
        similar[i, j] = True
    return similar


BATCHES = {
    "similar classes": ([0, 0, 1, 1, 2, 2], sets(3, (0, 1), (1, 0))),
    "classes of unequal size": ([2, 0, 0, 1, 0, 1, 2, 2, 2], sets(3, (0, 1), (1, 0), (1, 2))),
    "one image a class": ([0, 1, 2], sets(3, (0, 1), (1, 0))),
    "one class with one image": ([0, 0, 0, 1], sets(2, (0, 1), (1, 0))),
    "no similar classes": ([0, 0, 1, 1, 1], sets(2)),
    "M_i holds classes the batch lacks": ([1, 1, 3, 3], sets(5, (1, 0), (1, 2), (1, 3), (3, 4))),
    "one-sided": ([0, 0, 1], sets(2, (0, 1))),
    "no pair at all": ([0, 1], sets(2)),
    "one image": ([0], sets(1)),
}


@pytest.mark.parametrize("name", BATCHES)
def test_icfs_is_eq_5(name: str) -> None:
    labels, similar = BATCHES[name]
    x = np.random.default_rng(0).normal(size=(len(labels), 7))
    loss = icfs_loss(torch.from_numpy(x), torch.tensor(labels), torch.from_numpy(similar))
    assert loss.item() == pytest.approx(triple_sum(x, labels, similar), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=9),
    bits=st.lists(st.booleans(), min_size=25, max_size=25),
    seed=st.integers(0, 99),
)
def test_icfs_is_eq_5_for_any_batch(labels: list[int], bits: list[bool], seed: int) -> None:
    similar = np.array(bits).reshape(5, 5) | np.eye(5, dtype=bool)
    x = np.random.default_rng(seed).normal(size=(len(labels), 3))
    y, m = torch.tensor(labels), torch.from_numpy(similar)
    expected = triple_sum(x, labels, similar)
    assert icfs_loss(torch.from_numpy(x), y, m).item() == pytest.approx(expected, rel=1e-5)
    weights = icfs_weights(y, m)
    assert (weights.diagonal() == 0).all()
    total = weights.sum().item()
    assert total == pytest.approx(0, abs=1e-12) or total == pytest.approx(1, rel=1e-5)
    assert (total > 0) == (weights > 0).any().item()


def test_weights_stand_in_the_row_of_p_and_the_column_of_q() -> None:
    labels, similar = BATCHES["one-sided"]  # 1 ∈ M_0, but 0 ∉ M_1
    weights = icfs_weights(torch.tensor(labels), torch.from_numpy(similar))
    torch.testing.assert_close(
        weights, torch.tensor([[0, 1 / 4, 1 / 4], [1 / 4, 0, 1 / 4], [0, 0, 0]])
    )


def test_icfs_has_eq_5s_gradient() -> None:
    labels, similar = BATCHES["classes of unequal size"]
    x = torch.randn(len(labels), 3, dtype=torch.float64, requires_grad=True)
    y, m = torch.tensor(labels), torch.from_numpy(similar)
    assert torch.autograd.gradcheck(lambda v: icfs_loss(v, y, m), (x,), eps=1e-4, atol=1e-4)


def test_equal_vectors_cost_nothing() -> None:
    labels, similar = BATCHES["similar classes"]
    loss = icfs_loss(torch.ones(6, 4), torch.tensor(labels), torch.from_numpy(similar))
    assert loss.item() == 0


def test_the_distance_is_mse_and_does_not_grow_with_the_channels() -> None:
    x = torch.randn(2, 6)
    loss = icfs_loss(x, torch.tensor([0, 0]), torch.eye(1, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.nn.functional.mse_loss(x[0], x[1]))
    labels, similar = BATCHES["similar classes"]
    x = torch.randn(len(labels), 6)
    of = [
        icfs_loss(vectors, torch.tensor(labels), torch.from_numpy(similar))
        for vectors in (x, x.repeat(1, 20))
    ]
    torch.testing.assert_close(of[0], of[1])


def test_a_step_moves_similar_classes_alone_and_towards_each_other() -> None:
    """Not so if ICFS were the vectors' norm, or M_i the class alone, or the dissimilar classes."""
    labels = torch.tensor([0, 1, 2, 3])
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    similar = torch.from_numpy(sets(4, (0, 1), (1, 0)))
    (gradient,) = torch.autograd.grad(icfs_loss(x, labels, similar), x)
    step = -gradient
    assert not step[2:].any()
    towards = (x[1] - x[0]).detach()
    for moved, direction in ((step[0], towards), (step[1], -towards)):
        cosine = torch.nn.functional.cosine_similarity(moved, direction, dim=0)
        assert cosine.item() == pytest.approx(1)


def test_a_direction_common_to_all_costs_nothing() -> None:
    labels, similar = BATCHES["similar classes"]
    x, y, m = torch.randn(6, 4), torch.tensor(labels), torch.from_numpy(similar)
    torch.testing.assert_close(icfs_loss(x + 7, y, m), icfs_loss(x, y, m), rtol=1e-4, atol=1e-5)
