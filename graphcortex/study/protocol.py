"""How a study is run, as one frozen value."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from graphcortex._checks import check_choice, check_count, check_number

FUNCTIONAL = {
    "correlation-sttc": ("correlation", "sttc"),
    "sttc": ("sttc",),
    "precision-sttc": ("precision", "sttc"),
}
"""The relations that shape ``W*``: the study's main form, and its two variations."""

SMALL_WORLD_NULLS = MappingProxyType(
    {"published": None, "density": "erdos_renyi", "degree": "degree", "lattice": "lattice"}
)
"""The null model behind small-worldness, by its name in :data:`graphcortex.graphs.NULL_MODELS`; None has a density of its own."""

CHOICES = MappingProxyType(
    {
        "functional": tuple(FUNCTIONAL),
        "position_reading": ("reshaped", "true"),
        "distance_scale": ("published", "mean"),
        "self_connection_length": ("zero", "shortest"),
        "normalization": ("source", "both"),
        "anatomy_normalization": ("source", "both"),
        "small_world_null": tuple(SMALL_WORLD_NULLS),
        "trials": ("shared", "per-seed"),
        "reported_accuracy": ("training", "test"),
        "diverged_accuracy": ("chance", "missing"),
        "interval": ("t", "bounded"),
        "communicability_method": ("exact-dense", "exact-blocked", "stochastic"),
        "optimizer": ("keras-adam", "adam", "adamw", "sgd", "rmsprop"),
        "schedule": ("constant", "cosine", "linear", "step"),
        "autocast": ("none", "bfloat16", "float16"),
        "plasticity": ("none", "set", "deep-r"),
        "regrowth": ("random", "distance"),
    }
)
"""What each field that is a choice among forms may be; the published form comes first."""


@dataclass(frozen=True)
class Protocol:
    """Every choice that a run depends on, besides the connectome, the variant, the task and the seed.

    The defaults are those of the published study (arXiv 2606.14975), as its released code runs; :data:`CORRECTIONS` names what is
    wrong with them, and :meth:`corrected` mends all of it. Fields marked *quirk* are choices that a reader of the paper would not
    expect; what each does is in :mod:`graphcortex.study.published`.

    Attributes:
        num_train: Training trials.
        num_test: Test trials.
        num_validation: Validation trials, on which the best epoch is chosen. *Quirk*: 0, the test trials serve.
        trials: *Quirk*: ``"shared"``, one data set for all runs of a task; ``"per-seed"`` draws one for each seed, which all
            variants of that seed share.
        data_seed: Seed of the trials.
        batch_size: Trials per step; batches are taken in a fixed order.
        epochs: Passes over the training trials, at most.
        patience: Stop after so many epochs without a better validation loss; None trains to the end.
        reported_accuracy: *Quirk*: ``"training"``, of the last epoch, a running mean with noise; ``"test"`` is that of the test
            trials at the epoch with the best validation loss.
        diverged_accuracy: *Quirk*: ``"chance"``, a run that diverged is reported with the share of one answer; ``"missing"`` has
            none.
        input_noise: Standard deviation of the noise on the inputs, in training only.
        optimizer: Name of the optimiser; ``"keras-adam"`` is Adam with Keras' epsilon.
        learning_rate: Step size.
        betas: Decay rates of Adam and AdamW.
        adam_epsilon: Epsilon of Adam and AdamW.
        momentum: Momentum of SGD and RMSprop.
        weight_decay: Weight decay of the optimiser.
        schedule: Of the step size over the epochs: ``"constant"``; ``"cosine"`` and ``"linear"`` fall to 0 at the end; ``"step"``
            falls to a tenth after half of the epochs, and to a hundredth after three quarters.
        clip_norm: Largest norm of the gradient of all parameters together; None does not clip.
        autocast: Type in which the forward pass is computed where that is safe; ``"none"`` is float32 throughout.
        penalty_scale: Factor of all strengths that follow: one number to choose, whatever the variant pays for.
        length_strength: Lambda of the length and length x communicability penalties.
        emd_strength: Lambda of the communicability EMD.
        l1_strength: Lambda of the variant ``W``. *Quirk*: 1.0, since the code does not apply its .3 there.
        functional: Relations that shape ``W*``, a key of :data:`FUNCTIONAL`.
        position_reading: *Quirk*: ``"reshaped"``, the axes of the positions are mixed; ``"true"`` is the positions in um.
        distance_scale: *Quirk*: ``"published"``, the grid unscaled and each axis of the positions scaled to [0, 1]; ``"mean"``
            divides every distance matrix by the mean over its pairs of different neurons.
        self_connection_length: *Quirk*: ``"zero"``, self-connections cost nothing; ``"shortest"``, as much as the shortest
            connection.
        normalization: Strengths that normalise communicability. *Quirk*: ``"source"``, out-strengths at both ends; ``"both"``,
            out-strengths at the source and in-strengths at the target.
        anatomy_normalization: The same for the communicability of the anatomy that ``C*`` compares with.
        communicability_method: How the length x communicability penalty is computed, see
            :func:`graphcortex.ops.spatial_communicability`: ``"exact-dense"``, ``"exact-blocked"`` or ``"stochastic"``.
        communicability_probes: Random vectors per training step of ``"stochastic"``; the exact methods do not look at it.
        weight_mu: Mean of the logarithm of the draws of ``W*``.
        weight_sigma: Standard deviation of the logarithm of the draws of ``W*``.
        weight_mean: Mean of ``W*`` before its floor.
        weight_floor: Smallest non-zero entry of ``W*`` before the rescaling.
        weight_radius: Spectral radius of ``W*``.
        plasticity: Structural plasticity of sparse variants, see :class:`graphcortex.nn.StructuralPlasticity`.
        plasticity_share: Share of the edges that are dropped and regrown after each epoch.
        regrowth: Where edges grow: ``"random"``, or with a probability that falls with ``"distance"``.
        quantile: The learned graph keeps what is above this quantile of the absolute weights.
        num_nulls: Random graphs behind small-worldness.
        small_world_null: *Quirk*: ``"published"``, random graphs of a density of their own; ``"density"`` and ``"degree"`` match
            the graph in that; ``"lattice"`` compares it with rings of its density, see
            :func:`graphcortex.metrics.learned_graph_metrics`.
        interval: Of a mean over seeds. *Quirk*: ``"t"``, which may leave [0, 1]; ``"bounded"`` respects the bounds of the metric.

    Raises:
        ValueError: If a field is out of range or no such choice exists.
    """

    num_train: int = 5120
    num_test: int = 2560
    num_validation: int = 0
    trials: str = "shared"
    data_seed: int = 0
    batch_size: int = 128
    epochs: int = 10
    patience: int | None = None
    reported_accuracy: str = "training"
    diverged_accuracy: str = "chance"
    input_noise: float = 0.05
    optimizer: str = "keras-adam"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    adam_epsilon: float = 1e-7
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    clip_norm: float | None = None
    autocast: str = "none"
    penalty_scale: float = 1.0
    length_strength: float = 0.3
    emd_strength: float = 0.1
    l1_strength: float = 1.0
    functional: str = "correlation-sttc"
    position_reading: str = "reshaped"
    distance_scale: str = "published"
    self_connection_length: str = "zero"
    normalization: str = "source"
    anatomy_normalization: str = "source"
    communicability_method: str = "exact-dense"
    communicability_probes: int = 16
    weight_mu: float = -0.5
    weight_sigma: float = 0.5
    weight_mean: float = 0.1
    weight_floor: float = 0.01
    weight_radius: float = 0.95
    plasticity: str = "none"
    plasticity_share: float = 0.1
    regrowth: str = "random"
    quantile: float = 0.9
    num_nulls: int = 1000
    small_world_null: str = "published"
    interval: str = "t"

    def __post_init__(self):
        for field in fields(
            self
        ):  # a number of NumPy is that of Python: it goes into files, and is compared with what is there
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                object.__setattr__(self, field.name, value.item())
        if isinstance(self.betas, (tuple, list)):
            object.__setattr__(self, "betas", tuple(b.item() if isinstance(b, np.generic) else b for b in self.betas))
        for name in ("num_train", "num_test", "batch_size", "epochs", "num_nulls", "communicability_probes"):
            check_count(getattr(self, name), name)
        for name in ("data_seed", "num_validation"):
            check_count(getattr(self, name), name, minimum=0)
        if self.patience is not None:
            check_count(self.patience, "patience")
        if self.clip_norm is not None:
            check_number(self.clip_norm, "clip_norm", above=0)
        for name in ("learning_rate", "adam_epsilon", "weight_mean", "weight_radius"):
            check_number(getattr(self, name), name, above=0)
        for name in (
            "input_noise",
            "penalty_scale",
            "length_strength",
            "emd_strength",
            "l1_strength",
            "weight_sigma",
            "weight_floor",
        ):
            check_number(getattr(self, name), name, minimum=0)
        check_number(self.weight_decay, "weight_decay", minimum=0)
        check_number(self.weight_mu, "weight_mu")
        if not isinstance(self.betas, (tuple, list)) or len(self.betas) != 2:
            raise ValueError(f"betas must be two decay rates, such as (0.9, 0.999); got {self.betas!r}.")
        for name, value in (("betas", self.betas[0]), ("betas", self.betas[1]), ("momentum", self.momentum)):
            if check_number(value, name, minimum=0) >= 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)!r}.")
        for name, choices in CHOICES.items():
            check_choice(getattr(self, name), name, choices)
        for name in ("quantile", "plasticity_share"):
            check_number(getattr(self, name), name, minimum=0, maximum=1)

    @classmethod
    def published(cls) -> Protocol:
        """Return the protocol of the published study; ``dataclasses.replace`` changes one choice at a time.

        Example:
            >>> Protocol.published().epochs
            10
        """
        return cls()

    @classmethod
    def corrected(cls) -> Protocol:
        """Return the protocol with every one of :data:`CORRECTIONS`.

        Example:
            >>> Protocol.corrected().position_reading
            'true'
        """
        return cls.parse("corrected")

    @classmethod
    def parse(cls, name: str) -> Protocol:
        """Return the protocol of a name.

        A name is ``published`` or ``corrected``, then ``+`` or ``-`` and a correction, any number of times, then a comma and
        ``FIELD=VALUE``, any number of times: a word, a number or None. The epochs and the relations, for which every command has
        options, are no part of a name.

        Raises:
            ValueError: If the name does not follow that, corrects nothing that could be, or a value is out of range.

        Example:
            >>> Protocol.parse("published+positions") == replace(Protocol.published(), position_reading="true")
            True
            >>> Protocol.parse("corrected-trials,penalty_scale=0.1,optimizer=sgd").penalty_scale
            0.1
        """
        head, *settings = name.split(",") if isinstance(name, str) else [""]
        match = _NAME.fullmatch(head)
        steps = _STEP.findall(match["steps"]) if match else []
        if match is None or any(correction not in CORRECTIONS for _, correction in steps):
            raise ValueError(
                "a protocol must be published or corrected, then +NAME or -NAME for each correction to add or leave out, such as "
                f"'published+positions'; corrections: {', '.join(CORRECTIONS)}; got {name!r}."
            )
        chosen = set(CORRECTIONS) if match["base"] == "corrected" else set()
        for sign, correction in steps:
            (chosen.add if sign == "+" else chosen.discard)(correction)
        changes: dict[str, Any] = {}
        for correction in chosen:
            changes.update(CORRECTIONS[correction])
        known = [field.name for field in fields(cls) if field.name not in ("epochs", "functional")]
        for setting in settings:
            field, value = parse_setting(setting, known, f"after a comma, the protocol {name!r}")
            if not _SAFE_VALUE.fullmatch(setting.partition("=")[2]):
                raise ValueError(f"{field} must be a word, a number or None in the name of a protocol, got {name!r}.")
            changes[field] = value
        return replace(cls(), **changes)


_NAME = re.compile(r"(?P<base>published|corrected)(?P<steps>(?:[+-][a-z_]+)*)")
_STEP = re.compile(r"([+-])([a-z_]+)")
_SAFE_VALUE = re.compile(r"[\w.+-]+")  # the name of a protocol is that of a folder too


def parse_setting(setting: str, known: Sequence[str], what: str) -> tuple[str, Any]:
    """Return a field and its value from a text such as ``clip_norm=1``.

    Args:
        setting: The text.
        known: The fields that there are.
        what: What the text stands in, for the error.

    Raises:
        ValueError: If it has no such form, or no such field is known.
    """
    name, equals, value = setting.partition("=")
    if not equals or name not in known:
        raise ValueError(f"{what} must be FIELD=VALUE with one of {', '.join(known)}; got {setting!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word, such as the name of an optimiser


CORRECTIONS: MappingProxyType[str, MappingProxyType[str, Any]] = MappingProxyType(
    {
        name: MappingProxyType(changes)
        for name, changes in {
            "positions": {"position_reading": "true"},
            "scale": {"distance_scale": "mean"},
            "self_connections": {"self_connection_length": "shortest"},
            "communicability": {"normalization": "both"},
            "anatomy": {"anatomy_normalization": "both"},
            "strength": {"l1_strength": 0.3},
            "divergence": {"diverged_accuracy": "missing"},
            "small_world": {"small_world_null": "degree", "num_nulls": 20},
            "trials": {"trials": "per-seed"},
            "test": {"num_validation": 1280, "reported_accuracy": "test"},
            "intervals": {"interval": "bounded"},
        }.items()
    }
)
"""What is wrong with the published protocol, each with the fields that mend it and nothing else.

``positions``: the axes of ``D*`` are mixed. ``scale``: ``D`` costs 12 times ``D*``. ``self_connections`` cost nothing.
``communicability`` is normalised by out-strengths at both ends. ``anatomy``: so is that of the wiring, where it breaks down.
``strength``: lambda is not applied to ``W`` alone. ``divergence`` counts as chance. ``small_world``: its random graphs do not
match; those that do are drawn for each learned graph, and 20 of them put it within 0.2 %. ``trials``: one data set for all seeds.
``test``: the accuracy is that of the training trials, and the test trials validate.
``intervals`` leave [0, 1]. """
