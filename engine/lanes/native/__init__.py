"""Chains of dense layers in a kernel in C, compiled once per machine."""

from __future__ import annotations
