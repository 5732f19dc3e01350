"""The six networks as functions of a list of weights, in PyTorch's order and layout. Images are channels-last, which
XLA is fast with on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks.contest.task import BLOCKS, HEADS, WIDTH, Workload

Weights = Sequence[Array]


def mlp(act: object, w: Weights, x: Array) -> Array:
    assert callable(act)
    for i in range(0, len(w) - 2, 2):
        x = act(x @ w[i].T + w[i + 1])
    return x @ w[-2].T + w[-1]


def cnn(w: Weights, x: Array) -> Array:
    x = x.transpose(0, 2, 3, 1)
    for kernel, bias in ((w[0], w[1]), (w[2], w[3])):
        x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")) + bias
        x = lax.reduce_window(jax.nn.relu(x), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1) @ w[4].T + w[5]


def lstm(w: Weights, x: Array) -> Array:
    def step(state: tuple[Array, Array], given: Array) -> tuple[tuple[Array, Array], None]:
        h, c = state
        i, f, g, o = jnp.split(given + h @ w[1].T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    start = jnp.zeros((len(x), 64))
    (h, _), _ = lax.scan(step, (start, start), x.transpose(1, 0, 2) @ w[0].T + w[2] + w[3])
    return h @ w[4].T + w[5]


def norm(x: Array, scale: Array, shift: Array) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + shift


def block(w: Weights, x: Array) -> Array:
    n, time, _ = x.shape
    q, k, v = jnp.split(x @ w[0].T + w[1], 3, axis=2)
    q, k, v = (a.reshape(n, time, HEADS, -1).transpose(0, 2, 1, 3) for a in (q, k, v))
    looks = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / (WIDTH // HEADS) ** 0.5)
    seen = (looks @ v).transpose(0, 2, 1, 3).reshape(n, time, WIDTH) @ w[2].T + w[3]
    x = norm(x + seen, w[8], w[9])
    return norm(x + jax.nn.relu(x @ w[4].T + w[5]) @ w[6].T + w[7], w[10], w[11])


def transformer(w: Weights, x: Array) -> Array:
    x = w[0][x] + w[1]
    for i in range(BLOCKS):
        x = block(w[2 + 12 * i : 14 + 12 * i], x)
    return x.mean(1) @ w[-2].T + w[-1]


def loss(work: Workload, w: Weights, x: Array, y: Array) -> Array:
    match work.name:
        case "spiral":
            return jnp.square(mlp(jnp.tanh, w, x) - y).mean()
        case "cnn":
            output = cnn(w, x)
        case "lstm":
            output = lstm(w, x)
        case "transformer":
            output = transformer(w, x)
        case _:
            output = mlp(jax.nn.relu, w, x)
    return -jnp.take_along_axis(jax.nn.log_softmax(output), y[:, None], axis=1).mean()
