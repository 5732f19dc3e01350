"""JAX: "step" calls one compiled training step from Python, "scan" a compiled epoch of them."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contest import jax_models
from benchmarks.contest.task import Array, Workload
from benchmarks.contest.turns import Watch, serve

State = tuple[list[jax.Array], list[jax.Array], list[jax.Array], jax.Array]


def step(work: Workload, x: jax.Array, y: jax.Array, state: State, rows: jax.Array) -> tuple[State, jax.Array]:
    weights, mean, square, count = state
    loss, gradient = jax.value_and_grad(lambda w: jax_models.loss(work, w, x[rows], y[rows]))(weights)
    if work.optimizer == "sgd":
        return ([w - work.lr * g for w, g in zip(weights, gradient, strict=True)], mean, square, count), loss
    count = count + 1
    mean = [0.9 * m + 0.1 * g for m, g in zip(mean, gradient, strict=True)]
    square = [0.999 * v + 0.001 * g * g for v, g in zip(square, gradient, strict=True)]
    rate, correct = work.lr / (1 - 0.9**count), 1 / (1 - 0.999**count)
    moved = [w - rate * m / (jnp.sqrt(v * correct) + 1e-8) for w, m, v in zip(weights, mean, square, strict=True)]
    return (moved, mean, square, count), loss


class Loop:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array], how: str) -> None:
        self.work, self.how = work, how
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)
        start = [jnp.asarray(w) for w in weights]
        self.state: State = (start, [0 * w for w in start], [0 * w for w in start], jnp.zeros(()))
        one = partial(step, work, self.x, self.y)
        self.step = jax.jit(one, donate_argnums=0)
        self.epoch = jax.jit(lambda state, rows: jax.lax.scan(one, state, rows), donate_argnums=0)
        self.random = np.random.default_rng(2)

    def train(self, watch: Watch) -> None:
        while True:
            rows = self.random.permutation(len(self.x)).reshape(-1, self.work.batch)
            if self.how == "scan":
                self.state, losses = self.epoch(self.state, rows)
                losses.block_until_ready()
                if watch.over(len(rows)):
                    return
            else:
                for some in rows:
                    self.state, loss = self.step(self.state, some)
                    loss.block_until_ready()
                    if watch.over():
                        return

    def loss(self) -> float:
        return float(jax_models.loss(self.work, self.state[0], self.x, self.y))


if __name__ == "__main__":
    serve(Loop)
