"""When the states of a network tell what a trial was about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from graphcortex._checks import check_count, check_number
from graphcortex._random import as_generator, as_seed
from graphcortex._typing import RandomSource
from graphcortex.metrics._result import Result
from graphcortex.metrics._states import check_labels, check_states

_ENTRIES = 2**23  # of float64 at a time: 64 MiB


@dataclass(frozen=True, eq=False, kw_only=True)
class DecodingTimeCourse(Result):
    """How well a linear decoder reads the label of a trial from the states of one step.

    ``value`` is the highest accuracy of all steps. Where labels were permuted, ``null_mean`` and ``null_sd`` are of the highest
    accuracy too, so that the choice of the step is accounted for.

    Attributes:
        accuracy: Share of the trials that were decoded rightly when they were held out, float64, shape ``(T,)``, on the CPU.
        sd: Standard deviation of the accuracy over folds, float64, shape ``(T,)`` (``num_folds - 1`` in the denominator).
        chance: Share of the most frequent label: what is reached without the states.
        classes: The labels, int64, ascending, shape ``(K,)``.
        num_folds: Number of folds.
        shrinkage: Weight of the sphere in the covariance.
        null_accuracy: The accuracy with permuted labels, float64, shape ``(num_nulls, T)``; None without permutations.
    """

    accuracy: torch.Tensor
    sd: torch.Tensor
    chance: float
    classes: torch.Tensor
    num_folds: int
    shrinkage: float
    null_accuracy: torch.Tensor | None = None

    @property
    def peak_step(self) -> int:
        """The step of the highest accuracy, the first of them."""
        return int((self.accuracy == self.value).nonzero()[0]) if math.isfinite(self.value) else 0

    @property
    def p_value(self) -> torch.Tensor | None:
        """How often permuted labels reach the accuracy of a step at any step, shape ``(T,)``; None without permutations.

        It is corrected for the number of steps: below .05, some step is above chance with 95 % confidence.
        """
        if self.null_accuracy is None:
            return None
        highest = self.null_accuracy.amax(1)
        return ((highest[:, None] >= self.accuracy - 1e-12).sum(0) + 1) / (len(highest) + 1)

    def null_band(self, level: float = 0.95) -> torch.Tensor | None:
        """Return between which accuracies this share of the permutations lies at each step, shape ``(2, T)``.

        Args:
            level: The share, in 0 to 1.

        Raises:
            ValueError: If ``level`` is out of range.
        """
        level = check_number(level, "level", minimum=0, maximum=1)
        if self.null_accuracy is None:
            return None
        ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
        return self.null_accuracy.quantile(ends, dim=0)


def decoding_time_course(
    states: torch.Tensor,
    labels: Any,
    *,
    num_folds: int = 5,
    shrinkage: float = 0.1,
    num_permutations: int = 0,
    rng: RandomSource = 0,
) -> DecodingTimeCourse:
    r"""Decode the label of each trial from the states at every step, by cross-validated linear discriminant analysis.

    At each step, and for each fold that is held out, a trial with states :math:`x` is given the label k of the highest

    .. math::
        \mu_k^\top \Sigma^{-1} x - \tfrac{1}{2} \mu_k^\top \Sigma^{-1} \mu_k + \log \pi_k, \qquad
        \Sigma = (1 - \gamma) \, S_\text{within} + \gamma \, \frac{\operatorname{tr} S_\text{total}}{N} I,

    where the mean :math:`\mu_k` and the share :math:`\pi_k` of each label, the covariance of the states around the means of their
    labels, and the variance :math:`\operatorname{tr} S_\text{total}` around the mean of all, come from the other folds. Each fold
    has the same share of each label, as nearly as possible. The folds are the same at all steps.

    Since the sphere depends on all states and not on the labels, one factorisation per step and fold serves all permutations.
    These exchange labels within folds, so that the folds of permuted labels are as even as those of the labels themselves.

    Args:
        states: Recorded states, floating point, shape ``(T, B, N)`` (steps, trials, neurons), as :class:`torch.nn.RNN` returns
            them, in any unit; on any device.
        labels: Label of each trial, whole numbers, shape ``(B,)``.
        num_folds: Number of folds, at least 2.
        shrinkage: Weight :math:`\gamma` of the sphere, greater than 0 and at most 1, where the nearest mean decides.
        num_permutations: How often labels are permuted, to see what accuracies chance gives.
        rng: A generator, or an int seed, for folds and permutations.

    Returns:
        The accuracy at each step, in [0, 1], computed in float64, and its peak. NaN, with the reason, if all trials have one label.

    Raises:
        ValueError: If ``states`` are not finite floating point numbers of that shape, ``labels`` are not one whole number per
            trial, a label has fewer trials than there are folds, or an option is out of range.

    References:
        Friedman (1989). Regularized discriminant analysis. J. Am. Stat. Assoc. 84.
        https://doi.org/10.1080/01621459.1989.10478752

        Nichols & Holmes (2002). Nonparametric permutation tests for functional neuroimaging. Hum. Brain Mapp. 15.
        https://doi.org/10.1002/hbm.1058

    Example:
        >>> labels = torch.arange(20) % 2
        >>> states = torch.randn(4, 20, 3, generator=torch.Generator().manual_seed(0))
        >>> states[2, :, 0] += 9 * labels  # the third step tells
        >>> found = decoding_time_course(states, labels)
        >>> found.value, found.peak_step, found.chance
        (1.0, 2, 0.5)
    """
    states = check_states(states)
    T, B, N = states.shape
    codes, classes = check_labels(labels, B)
    num_folds = check_count(num_folds, "num_folds", minimum=2)
    shrinkage = check_number(shrinkage, "shrinkage", above=0, maximum=1)
    num_permutations = check_count(num_permutations, "num_permutations", minimum=0)
    seed = as_seed(rng)
    counts = codes.bincount()
    done: dict[str, Any] = {"classes": classes, "num_folds": num_folds, "shrinkage": shrinkage, "seed": seed}
    done |= {"chance": float(counts.max()) / B, "method": "shrinkage discriminant analysis"}
    if len(classes) == 1:
        unknown = torch.full((T,), math.nan, dtype=torch.float64)
        return DecodingTimeCourse(
            value=math.nan, reason="all trials have the same label", accuracy=unknown, sd=unknown, **done
        )
    if int(counts.min()) < num_folds:
        rare = int(counts.argmin())
        raise ValueError(
            f"labels must hold each label at least num_folds = {num_folds} times, got {int(counts[rare])} of "
            f"{int(classes[rare])}; take fewer folds, or leave these trials out."
        )
    generator = as_generator(seed)
    fold = _stratified_folds(codes, num_folds, generator)
    labellings = torch.cat([codes[None], _permute_within(fold, codes, num_permutations, generator)])
    fold, labellings = fold.to(states.device), labellings.to(states.device)
    steps = max(1, _ENTRIES // (B * N + 3 * min(B, N) * (B + min(B, N))))
    right = torch.cat([_count_right(part.double(), labellings, fold, shrinkage) for part in states.split(steps)], dim=2)
    right = right.cpu().double()
    accuracy = right.sum(1) / B
    per_fold = right[0] / fold.bincount().cpu()[:, None]
    if num_permutations:
        highest = accuracy[1:].amax(1)
        sd = float(highest.std()) if num_permutations > 1 else math.nan
        done |= {"null": "permuted labels", "num_nulls": num_permutations}
        done |= {"null_mean": float(highest.mean()), "null_sd": sd, "null_accuracy": accuracy[1:]}
    return DecodingTimeCourse(value=float(accuracy[0].max()), accuracy=accuracy[0], sd=per_fold.std(0), **done)


def _stratified_folds(codes: torch.Tensor, num_folds: int, generator: torch.Generator) -> torch.Tensor:
    """Deal the trials out to folds, label after label, int64 of shape ``(B,)``."""
    shuffled = torch.randperm(len(codes), generator=generator)
    in_turn = shuffled[codes[shuffled].argsort(stable=True)]
    fold = torch.empty_like(codes)
    fold[in_turn] = torch.arange(len(codes)) % num_folds
    return fold


def _permute_within(fold: torch.Tensor, codes: torch.Tensor, number: int, generator: torch.Generator) -> torch.Tensor:
    """Return labels that were exchanged within folds, shape ``(number, B)``."""
    place = fold.argsort(stable=True)
    # Within a fold of number f the keys lie between 2 f and 2 f + 1, so that each stays in its fold.
    drawn = torch.rand(number, len(codes), generator=generator, dtype=torch.float64)
    permuted = torch.empty(number, len(codes), dtype=torch.int64)
    permuted[:, place] = codes[(2 * fold + drawn).argsort(1)]
    return permuted


def _count_right(X: torch.Tensor, labellings: torch.Tensor, fold: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """Count the trials that are decoded rightly when their fold is held out.

    Args:
        X: States of some steps, float64, shape ``(t, B, N)``.
        labellings: Labels of the trials, 0 .. K - 1, shape ``(P, B)``; each fold has the same numbers of each in all of them.
        fold: Fold of each trial, shape ``(B,)``.
        shrinkage: Weight of the sphere.

    Returns:
        The counts, shape ``(P, num_folds, t)``.
    """
    t, B, N = X.shape
    X = X - X.mean(1, keepdim=True)
    size = X.abs().amax((1, 2), keepdim=True)
    X = X / torch.where(size > 0, size, 1.0)
    if N > B:
        # B trials lie in B dimensions: their coordinates there have all the products that the states have.
        X = torch.linalg.qr(X.mT, mode="r").R.mT
    eye = torch.eye(X.size(2), dtype=X.dtype, device=X.device)
    num_folds, K = int(fold.max()) + 1, int(labellings.max()) + 1
    right = torch.zeros(len(labellings), num_folds, t, dtype=torch.int64, device=X.device)
    for held_out in range(num_folds):
        test, train = fold == held_out, fold != held_out
        centred = X - X[:, train].mean(1, keepdim=True)
        total = centred[:, train].mT @ centred[:, train] / train.sum()
        trace = total.diagonal(dim1=1, dim2=2).sum(1)
        sphere = torch.where(trace > 0, shrinkage * trace / N, 1.0)[:, None, None] * eye
        factor = torch.linalg.cholesky((1 - shrinkage) * total + sphere)
        white = torch.linalg.solve_triangular(factor, centred.mT, upper=False)  # (t, r, B)
        for first, part in _parts(labellings, t * max(B, X.size(2)) * K):
            scores = _scores(white[:, :, test].mT, white[:, :, train], part[:, train], K, shrinkage)
            hits = (scores.argmax(3) == part[:, test].T).sum(1)
            right[first : first + len(part), held_out] = hits.T
    return right


def _parts(labellings: torch.Tensor, entries_each: int) -> list[tuple[int, torch.Tensor]]:
    number = max(1, _ENTRIES // entries_each)
    return [(first, labellings[first : first + number]) for first in range(0, len(labellings), number)]


def _scores(test: torch.Tensor, train: torch.Tensor, labels: torch.Tensor, K: int, shrinkage: float) -> torch.Tensor:
    r"""Return the score of each label for each held-out trial, shape ``(t, b, P, K)``.

    States are white: in them :math:`A = (1 - \gamma) S_\text{total} + \text{sphere}` is the identity, and with the means M of the
    labels as columns, :math:`\Sigma = A - (1 - \gamma) M \Pi M^\top` (total is within plus between). By Woodbury
    :math:`\Sigma^{-1} M = A^{-1} M C` with :math:`C = (I - (1 - \gamma) \Pi M^\top A^{-1} M)^{-1}`, K by K.

    Args:
        test: White states of the held-out trials, shape ``(t, b, r)``.
        train: White states of the others, shape ``(t, r, n)``.
        labels: Labels of the others, shape ``(P, n)``.
        K: Number of labels.
        shrinkage: Weight of the sphere.
    """
    t, r, n = train.shape
    member = F.one_hot(labels, K).to(train.dtype)  # (P, n, K)
    count = member[0].sum(0)
    means = (train @ member.transpose(0, 1).reshape(n, -1)).view(t, r, -1, K) / count
    apart = torch.einsum("trpk,trpl->tpkl", means, means)
    share = count / n
    eye = torch.eye(K, dtype=train.dtype, device=train.device)
    C = torch.linalg.inv(eye - (1 - shrinkage) * share[:, None] * apart)
    reach = (test @ means.reshape(t, r, -1)).view(t, test.size(1), -1, K)
    offset = share.log() - 0.5 * (apart @ C).diagonal(dim1=-2, dim2=-1)
    return torch.einsum("tbpk,tpkl->tbpl", reach, C) + offset[:, None]
