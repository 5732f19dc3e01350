"""What watching costs: training watched against the same training not looked at, in steps per CPU-second.

Three trainings of each workload of the contest (see contest/) take short turns in this process, on one thread, in the
lane that Layerloom chooses: "bare" is never looked at, "inside" is watched at 10 Hz (points, layers, histograms,
decision boundary), "all" is validated beside, as a run is. A ratio is formed within each round, so that other load on
the machine meets all alike. Then come the shares that the ledger of "all" has taken down, by quantity, and what one
asking for each further measurement costs. Usage:
`python -m benchmarks.watching [--rounds N] [--seconds S] [--only NAME …] [--json FILE]`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.contest import ours
from benchmarks.contest.task import WORKLOADS, read, write
from benchmarks.engine_speed import dense
from builder.graph import Graph
from engine.config import DataRef, TrainConfig
from engine.data import Dataset, load
from engine.events import MEASUREMENTS, Event
from engine.loop import Training
from engine.pace import NOTHING, Governor
from engine.worker import STRIDE_SECONDS

WARM = 0.5  # CPU-seconds before the clock starts


class Never(Governor):
    """Looks at nothing."""

    def due(self, step: int, now: float) -> frozenset[str]:
        return NOTHING


class Inside(Governor):
    """Looks at everything but the losses on fixed subsets."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        del self.budgets["evaluation"]

    def paid(self, look: str, now: float, cost: float) -> None:
        if look in self.budgets:  # the first point is evaluated in any case
            super().paid(look, now, cost)


class Contestant:
    """One training that takes turns. Its clock, by which it is paced, stands still while others have theirs."""

    def __init__(self, make: Callable[[Governor], Training], pace: Callable[[Callable[[], float]], Governor]) -> None:
        self.lent = 0.0  # CPU-seconds in earlier turns
        self.began: float | None = None  # of this one
        self.training = make(pace(self.clock))
        self.run = self.training.run()
        self.events: list[Event] = []
        self.used = 0.0
        self.training.stride.seconds = STRIDE_SECONDS

    def clock(self) -> float:
        return self.lent + (0.0 if self.began is None else time.process_time() - self.began)

    def turn(self, seconds: float) -> float:
        """Trains for so many CPU-seconds; steps per CPU-second."""
        before, self.began = self.training.step, time.process_time()
        while (used := time.process_time() - self.began) < seconds:
            self.events += next(self.run)
        self.lent, self.began = self.lent + used, None
        self.used += used
        return (self.training.step - before) / used


def workload(name: str, folder: Path) -> tuple[Graph, Dataset, dict[str, Any]]:
    """The spiral is the data set of the app, so that its decision boundary is drawn."""
    work = WORKLOADS[name]
    settings = {"optimizer": work.optimizer, "knobs": {"lr": work.lr, "batch_size": work.batch}}
    if name == "spiral":
        return dense("Tanh", 2, 8, 8, 2), load(DataRef("spiral", {"size": 1000})), settings
    path = folder / f"{name}.npz"
    digits = load(DataRef("digits"))
    write(path, name, (digits.x_train[:, 0], digits.y_train))
    x, y, _ = read(path)
    return ours.graph(work), ours.dataset(x, y), settings


def contestants(name: str, folder: Path) -> dict[str, Contestant]:
    graph, data, settings = workload(name, folder)
    config = TrainConfig(DataRef(data.name), steps=10**9, **settings)
    paces = {"bare": Never, "inside": Inside, "all": Governor}
    return {
        key: Contestant(
            lambda p, key=key: Training(graph, config, data, lane="auto", pace=p, watch=key != "bare"), pace
        )
        for key, pace in paces.items()
    }


def compare(name: str, rounds: int, seconds: float, folder: Path) -> dict[str, Any]:
    found = contestants(name, folder)
    for contestant in found.values():
        contestant.turn(WARM)
        contestant.events.clear()
        contestant.used = 0.0
    spent = {key: list(entry) for key, entry in found["all"].training.report.ledger.entries.items()}
    rates: dict[str, list[float]] = {key: [] for key in found}
    for _ in range(rounds):
        for key, contestant in found.items():
            rates[key].append(contestant.turn(seconds))
    ratios = {key: [a / b for a, b in zip(rates[key], rates["bare"], strict=True)] for key in ("inside", "all")}
    watched = found["all"]
    kinds = [event.kind for event in watched.events]
    entries = watched.training.report.ledger.entries
    return {
        "lane": watched.training.lane.name,
        "steps per CPU-second": {key: statistics.median(values) for key, values in rates.items()},
        "ratio to bare": ratios,
        "events per CPU-second": {kind: kinds.count(kind) / watched.used for kind in dict.fromkeys(kinds)},
        "share of the CPU time": {n: (s - spent.get(n, (0, 0))[0]) / watched.used for n, (s, _) in entries.items()},
        "one asking, CPU-seconds": dict(asked(watched)),
    }


def asked(contestant: Contestant) -> Iterator[tuple[str, float]]:
    """What the first result of each further measurement costs."""
    measuring, ledger = contestant.training.report.measuring, contestant.training.report.ledger
    assert measuring is not None
    for name in MEASUREMENTS:
        measuring.ask(name)
        came = False
        while not came:
            came = any(event.kind == name for event in next(contestant.run))
        measuring.ask(name, on=False)
        yield name, ledger.entries[name][0]


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} [{min(values):.3f}..{max(values):.3f}]"


def tell(name: str, found: dict[str, Any]) -> None:
    rates = ", ".join(f"{key} {rate:.0f}" for key, rate in found["steps per CPU-second"].items())
    print(f"{name}, {found['lane']} lane: {rates} steps/CPU-s")
    for key, values in found["ratio to bare"].items():
        print(f"  {key} to bare: {spread(values)}")
    print("  events per CPU-second:", ", ".join(f"{k} {n:.1f}" for k, n in found["events per CPU-second"].items()))
    shares = sorted(found["share of the CPU time"].items(), key=lambda item: -item[1])
    inside = sum(share for key, share in shares if key != "evaluation")
    print(
        f"  accounted: {100 * inside:.2f} % inside;", ", ".join(f"{k} {100 * s:.2f} %" for k, s in shares if s > 5e-5)
    )
    print("  one asking:", ", ".join(f"{k} {1000 * s:.1f} ms" for k, s in found["one asking, CPU-seconds"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU-seconds of a turn")
    parser.add_argument("--only", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--json", type=Path)
    asked_for = parser.parse_args()
    everything = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked_for.only:
            everything[name] = compare(name, asked_for.rounds, asked_for.seconds, Path(folder))
            tell(name, everything[name])
            sys.stdout.flush()
    if asked_for.json:
        asked_for.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
