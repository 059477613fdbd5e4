"""How a study is run, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from graphcortex._checks import check_choice, check_count, check_number

FUNCTIONAL = {
    "correlation-sttc": ("correlation", "sttc"),
    "sttc": ("sttc",),
    "precision-sttc": ("precision", "sttc"),
}
"""The relations that shape ``W*``: the study's main form, and its two variations."""


@dataclass(frozen=True)
class Protocol:
    """Every choice that a run depends on, besides the connectome, the variant, the task and the seed.

    The defaults are those of the published study (arXiv 2606.14975), as its released code runs. Fields marked *quirk* are choices
    that a reader of the paper would not expect; what each does is in :mod:`graphcortex.study.published`.

    Attributes:
        num_train: Training trials.
        num_test: Test trials, which also serve as validation trials.
        batch_size: Trials per step; batches are taken in a fixed order.
        epochs: Passes over the training trials.
        data_seed: Seed of the trials. *Quirk*: all runs share one data set.
        input_noise: Standard deviation of the noise on the inputs, in training only.
        learning_rate: Step size of Adam.
        betas: Decay rates of Adam.
        adam_epsilon: Epsilon of Adam, in the form that Keras uses.
        length_strength: Lambda of the length and length x communicability penalties.
        emd_strength: Lambda of the communicability EMD.
        l1_strength: Lambda of the variant ``W``. *Quirk*: 1.0, since the code does not apply its .3 there.
        functional: Relations that shape ``W*``, a key of :data:`FUNCTIONAL`.
        normalization: Strengths that normalise communicability. *Quirk*: out-strengths at both ends.
        communicability_method: How the length x communicability penalty is computed, see
            :func:`graphcortex.ops.spatial_communicability`: ``"exact-dense"``, ``"exact-blocked"`` or ``"stochastic"``.
        communicability_probes: Random vectors per training step of ``"stochastic"``; the exact methods do not look at it.
        weight_mu: Mean of the logarithm of the draws of ``W*``.
        weight_sigma: Standard deviation of the logarithm of the draws of ``W*``.
        weight_mean: Mean of ``W*`` before its floor.
        weight_floor: Smallest non-zero entry of ``W*`` before the rescaling.
        weight_radius: Spectral radius of ``W*``.
        quantile: The learned graph keeps what is above this quantile of the absolute weights.
        num_nulls: Random graphs behind small-worldness.
    """

    num_train: int = 5120
    num_test: int = 2560
    batch_size: int = 128
    epochs: int = 10
    data_seed: int = 0
    input_noise: float = 0.05
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    adam_epsilon: float = 1e-7
    length_strength: float = 0.3
    emd_strength: float = 0.1
    l1_strength: float = 1.0
    functional: str = "correlation-sttc"
    normalization: str = "source"
    communicability_method: str = "exact-dense"
    communicability_probes: int = 16
    weight_mu: float = -0.5
    weight_sigma: float = 0.5
    weight_mean: float = 0.1
    weight_floor: float = 0.01
    weight_radius: float = 0.95
    quantile: float = 0.9
    num_nulls: int = 1000

    def __post_init__(self):
        for name in ("num_train", "num_test", "batch_size", "epochs", "num_nulls", "communicability_probes"):
            check_count(getattr(self, name), name)
        check_count(self.data_seed, "data_seed", minimum=0)
        for name in ("learning_rate", "adam_epsilon", "weight_mean", "weight_radius"):
            check_number(getattr(self, name), name, above=0)
        for name in ("input_noise", "length_strength", "emd_strength", "l1_strength", "weight_sigma", "weight_floor"):
            check_number(getattr(self, name), name, minimum=0)
        check_number(self.weight_mu, "weight_mu")
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise ValueError(f"betas must be two decay rates, such as (0.9, 0.999); got {self.betas!r}.")
        for beta in self.betas:
            if check_number(beta, "betas", minimum=0) >= 1:
                raise ValueError(f"betas must lie in [0, 1), got {self.betas!r}.")
        check_choice(self.functional, "functional", FUNCTIONAL)
        check_choice(self.normalization, "normalization", ("source", "both"))
        methods = ("exact-dense", "exact-blocked", "stochastic")
        check_choice(self.communicability_method, "communicability_method", methods)
        check_number(self.quantile, "quantile", minimum=0, maximum=1)

    @classmethod
    def published(cls) -> Protocol:
        """Return the protocol of the published study; ``dataclasses.replace`` changes one choice at a time.

        Example:
            >>> Protocol.published().epochs
            10
        """
        return cls()
