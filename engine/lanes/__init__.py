"""The ways to compute a training step. All compute the same numbers; they differ in speed and in what they can do."""

from __future__ import annotations
