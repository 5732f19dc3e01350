"""Keras 3: model.fit with the backend that KERAS_BACKEND names. Its LSTM has one bias where PyTorch's has two."""

from __future__ import annotations

import os

import keras
import numpy as np
from keras import layers

from benchmarks.contest.task import BLOCKS, HEADS, HIDDEN, SIZES, TOKENS, WIDTH, WORDS, Array, Workload
from benchmarks.contest.turns import Watch, serve


class Stop(keras.callbacks.Callback):
    def __init__(self, watch: Watch, per_epoch: int) -> None:
        super().__init__()
        self.watch, self.per_epoch = watch, per_epoch

    def on_train_begin(self, logs: object = None) -> None:
        self.watch.begin()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.model.stop_training = self.watch.over(self.per_epoch)


class Places(layers.Layer):
    """Adds a learnt row to each position."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.rows = self.add_weight(shape=shape[1:], name="rows")

    def call(self, x: object) -> object:
        return x + self.rows


def network(work: Workload) -> keras.Model:
    match work.name:
        case "cnn":
            given = layers.Input((28, 28, 1))
            x = layers.MaxPooling2D()(layers.Conv2D(16, 3, padding="same", activation="relu")(given))
            x = layers.MaxPooling2D()(layers.Conv2D(32, 3, padding="same", activation="relu")(x))
            return keras.Model(given, layers.Dense(10)(layers.Flatten()(x)))
        case "lstm":
            given = layers.Input((50, 4))
            return keras.Model(given, layers.Dense(4)(layers.LSTM(64)(given)))
        case "transformer":
            given = layers.Input((TOKENS,), dtype="int32")
            x = Places()(layers.Embedding(WORDS, WIDTH)(given))
            for _ in range(BLOCKS):
                seen = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x)
                x = layers.LayerNormalization(epsilon=1e-5)(x + seen)
                inner = layers.Dense(WIDTH)(layers.Dense(HIDDEN, activation="relu")(x))
                x = layers.LayerNormalization(epsilon=1e-5)(x + inner)
            return keras.Model(given, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))
    sizes, act = SIZES[work.name], "tanh" if work.name == "spiral" else "relu"
    return keras.Sequential(
        [layers.Input((sizes[0],)), *(layers.Dense(n, activation=act) for n in sizes[1:-1]), layers.Dense(sizes[-1])]
    )


def laid_out(work: Workload, w: list[Array]) -> list[Array]:
    """PyTorch's weights in the order and layout of ``network``."""
    match work.name:
        case "cnn":
            dense = w[4].reshape(10, 32, 7, 7).transpose(2, 3, 1, 0).reshape(-1, 10)
            return [w[0].transpose(2, 3, 1, 0), w[1], w[2].transpose(2, 3, 1, 0), w[3], dense, w[5]]
        case "lstm":
            return [w[0].T, w[1].T, w[2] + w[3], w[4].T, w[5]]
        case "transformer":
            blocks = [a for i in range(BLOCKS) for a in _block(w[2 + 12 * i : 14 + 12 * i])]
            return [w[0], w[1], *blocks, w[-2].T, w[-1]]
    return [a.T for a in w]


def _block(w: list[Array]) -> list[Array]:
    projections = zip(np.split(w[0], 3), np.split(w[1], 3), strict=True)
    heads = [a for kernel, bias in projections for a in (kernel.T.reshape(WIDTH, HEADS, -1), bias.reshape(HEADS, -1))]
    return [*heads, w[2].T.reshape(HEADS, -1, WIDTH), w[3], w[8], w[9], w[4].T, w[5], w[6].T, w[7], w[10], w[11]]


class Fit:
    def __init__(self, work: Workload, x: Array, y: Array, weights: list[Array]) -> None:
        if os.environ["KERAS_BACKEND"] == "torch":
            __import__("torch").set_num_threads(1)
        self.work, self.y = work, y
        self.x = x.transpose(0, 2, 3, 1).copy() if work.name == "cnn" else x
        self.model = network(work)
        self.model.set_weights(laid_out(work, weights))
        kind = keras.optimizers.SGD if work.optimizer == "sgd" else keras.optimizers.Adam
        extra = {} if work.optimizer == "sgd" else {"epsilon": 1e-8}
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(kind(work.lr, **extra), "mse" if work.name == "spiral" else entropy)

    def train(self, watch: Watch) -> None:
        stop = Stop(watch, len(self.x) // self.work.batch)
        self.model.fit(self.x, self.y, batch_size=self.work.batch, epochs=10**9, verbose=0, callbacks=[stop])

    def loss(self) -> float:
        return float(self.model.evaluate(self.x, self.y, batch_size=256, verbose=0))


if __name__ == "__main__":
    serve(Fit)
