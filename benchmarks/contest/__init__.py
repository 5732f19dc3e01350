"""The contestants of benchmarks/peers.py: each file trains the same networks with one library, in an environment and a
process of its own. Files other than ours.py import nothing of Layerloom, since it is not installed there."""

from __future__ import annotations
