"""Adam as Keras computes it."""

from __future__ import annotations

import numpy as np


class NaiveKerasAdam:
    """Follow the update of Keras line by line."""

    def __init__(self, lr=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.lr, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon
        self.m, self.v, self.iterations = 0.0, 0.0, 0

    def update(self, variable, gradient):
        local_step = self.iterations + 1
        beta_1_power, beta_2_power = self.beta_1**local_step, self.beta_2**local_step
        alpha = self.lr * np.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        self.m = self.m + (gradient - self.m) * (1 - self.beta_1)
        self.v = self.v + (gradient**2 - self.v) * (1 - self.beta_2)
        self.iterations += 1
        return variable - self.m * alpha / (np.sqrt(self.v) + self.epsilon)
