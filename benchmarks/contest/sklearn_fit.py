"""scikit-learn's MLPClassifier and MLPRegressor. Its squared error is halved, so its learning rate there is doubled."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.contest.task import SIZES, Array, Workload
from benchmarks.contest.turns import Watch, serve


class Fit:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array]) -> None:
        self.x, self.y = x, y if y.ndim == 1 else y[:, 0]
        self.per_epoch = len(x) // work.batch
        settings = {"hidden_layer_sizes": SIZES[work.name][1:-1], "solver": work.optimizer, "batch_size": work.batch,
                    "alpha": 0.0}  # fmt: skip
        if work.name == "spiral":
            self.net = MLPRegressor(activation="tanh", learning_rate_init=2 * work.lr, momentum=0.0,
                                    nesterovs_momentum=False, **settings)  # fmt: skip
            self.more = {}
        else:
            self.net = MLPClassifier(activation="relu", learning_rate_init=work.lr, **settings)
            self.more = {"classes": np.arange(10)}
        self.net.partial_fit(self.x, self.y, **self.more)  # makes its arrays
        for ours, theirs in zip(weights[::2], self.net.coefs_, strict=True):
            theirs[:] = ours.T
        for ours, theirs in zip(weights[1::2], self.net.intercepts_, strict=True):
            theirs[:] = ours
        del self.net._optimizer  # which has seen the weights that were

    def train(self, watch: Watch) -> None:
        while True:
            self.net.partial_fit(self.x, self.y, **self.more)
            if watch.over(self.per_epoch):
                return

    def loss(self) -> float:
        if isinstance(self.net, MLPRegressor):
            return float(np.square(self.net.predict(self.x) - self.y).mean())
        return float(-np.log(self.net.predict_proba(self.x)[np.arange(len(self.y)), self.y] + 1e-30).mean())


if __name__ == "__main__":
    serve(Fit)
