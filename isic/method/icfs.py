"""The inter-class feature similarity (ICFS) loss: Equations 4 and 5."""

from __future__ import annotations

import torch
from torch import Tensor


def icfs_weights(labels: Tensor, similar: Tensor) -> Tensor:
    """The weight of each pair (p, q) of a batch's images in Eq. 5.

    With i the class of p and j that of q: 1 / (N_k · N_i · N_ip · N_iq) where j ∈ M_i, else 0. All
    four counts are the batch's own. A pair of an image with itself is none (its distance is 0 and
    says nothing).

    Args:
        labels: (n,) int64, classes.
        similar: (C, C) bool; row i is M_i; where it holds i, the pairs within class i count too.

    Returns:
        (n, n) float32. Sums to 1, or to 0 where the batch holds no pair: ICFS is then 0.
    """
    classes, position = labels.unique(return_inverse=True)
    member = torch.nn.functional.one_hot(position, len(classes)).float()  # (n, k)
    pair = similar[classes][:, classes].float()  # (k, k), j ∈ M_i within the batch
    pairs = member.sum(0)[:, None] * member.sum(0)[None]  # N_ip · N_iq
    pairs -= torch.diag(member.sum(0))  # p = q left out
    pair = pair * (pairs > 0)
    terms = pair.sum(1)  # N_i
    each = pair / (pairs.clamp(min=1) * terms.clamp(min=1)[:, None])
    each = each / (terms > 0).sum().clamp(min=1)  # N_k: classes that have a term
    weights = member @ each @ member.T
    return weights.fill_diagonal_(0.0)


def icfs_loss(vectors: Tensor, labels: Tensor, similar: Tensor) -> Tensor:
    """Eq. 5 over one batch.

    Args:
        vectors: (n, N) float, the image vectors x.
        labels: (n,) int64, their classes.
        similar: (C, C) bool, row i is M_i, see `isic.method.similarity.similar_classes`.

    ‖·‖² is taken as the mean over the N channels, not their sum: it is then what `mse_loss` gives,
    and λ = 1 the right weight, whatever N is (docs/method.md).

    Returns:
        Scalar ≥ 0, in squared units of `vectors`.
    """
    distances = (vectors[:, None] - vectors[None]).square().mean(dim=2)
    with torch.autocast(vectors.device.type, enabled=False):  # bf16 would round the weights
        return (icfs_weights(labels, similar) * distances).sum()
