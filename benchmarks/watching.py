"""What watching costs: training watched against the same training not looked at, in steps per CPU-second.

Two trainings of each workload of the contest (see contest/) take many short turns in this process, on one thread, in
the lane that Layerloom chooses: one is never looked at, the other is watched at 10 Hz (points, layers, histograms,
decision boundary) and its events are encoded and written to a log, as a worker does it; with --validated it has its
losses on fixed examples too. Their clocks are CPU time, so 10 looks a second are meant for a processor of their own.

Turns go bare, watched, watched, bare: what drifts evenly meets both alike. Each four give the logarithm of a ratio, and
the mean of the middle of these stands for a pair, since on a machine that others use single ratios are off by a tenth.
Where in memory a training lies alone makes it a percent faster or slower, for as long as it lives: so several pairs are
made, either training first by turns, and the mean over the pairs and its standard error are told. Then come the shares
that the ledgers of the watched trainings have taken down, by quantity, and what one asking for each further measurement
costs. Usage:
`python -m benchmarks.watching [--pairs N] [--rounds N] [--seconds S] [--only NAME …] [--validated] [--json FILE]`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import gc
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest import ours
from benchmarks.contest.task import WORKLOADS, read, write
from benchmarks.engine_speed import dense
from builder.graph import Graph
from engine.config import DataRef, TrainConfig
from engine.data import Dataset, load
from engine.events import MEASUREMENTS
from engine.log import Log
from engine.loop import Training
from engine.pace import NOTHING, Governor
from engine.recorder import Recorder
from engine.worker import STRIDE_SECONDS

WARM = 1.5  # CPU-seconds before the clock starts


class Watched(Governor):
    """A second is a CPU-second of the training that is watched."""

    wait = 0.0  # in seconds of the wall, before which so much CPU time cannot have passed: asking for it costs some

    def due(self, step: int, now: float) -> frozenset[str]:
        if now < self.wait:
            return NOTHING
        used = self.clock()
        self.wait = now + self.next - used
        return super().due(step, used)

    def paid(self, look: str, now: float, cost: float) -> None:
        super().paid(look, self.clock(), cost)


class Unvalidated(Watched):
    """Looks at everything but the losses on fixed examples."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        del self.budgets["evaluation"]


class Never(Governor):
    """Looks at nothing."""

    def due(self, step: int, now: float) -> frozenset[str]:
        return NOTHING


class Contestant:
    """One training that takes turns. Its clock, by which it is paced, stands still while others have theirs."""

    def __init__(
        self, make: Callable[[Governor], Training], pace: Callable[[Callable[[], float]], Governor], log: Path
    ) -> None:
        self.lent = 0.0  # CPU-seconds in earlier turns
        self.began: float | None = None  # of this one
        self.training = make(pace(self.clock))
        self.run, self.recorder = self.training.run(), Recorder(Log(log))
        self.kinds: Counter[str] = Counter()
        self.training.stride.seconds = STRIDE_SECONDS

    def clock(self) -> float:
        return self.lent + (0.0 if self.began is None else time.process_time() - self.began)

    def turn(self, seconds: float) -> float:
        """Trains for so many CPU-seconds; steps per CPU-second."""
        before, self.began = self.training.step, time.process_time()
        while (used := time.process_time() - self.began) < seconds:
            events = next(self.run)
            self.kinds.update(event.kind for event in events)
            self.recorder.add(*events)
            if cost := self.recorder.write(time.monotonic()):
                self.training.report.recorded(self.training.seconds, cost)
        self.lent, self.began = self.lent + used, None
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


def contestants(name: str, validated: bool, folder: Path, pair: int) -> tuple[Contestant, Contestant]:
    """One that is not looked at, and one that is."""
    graph, data, settings = workload(name, folder)
    config = TrainConfig(DataRef(data.name), steps=10**9, **settings)

    def enter(watch: bool) -> Contestant:
        pace = (Watched if validated else Unvalidated) if watch else Never
        log = folder / f"{name}-{pair}-{watch}.sqlite"
        return Contestant(lambda p: Training(graph, config, data, lane="auto", pace=p, watch=watch), pace, log)

    made = {watch: enter(watch) for watch in (pair % 2 == 0, pair % 2 == 1)}
    for contestant in made.values():
        contestant.turn(WARM)
    return made[False], made[True]


def compare(name: str, pairs: int, rounds: int, seconds: float, validated: bool, folder: Path) -> dict[str, Any]:
    ratios, speeds, used = [], [], 0.0
    kinds: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for pair in range(pairs):
        bare, watched = contestants(name, validated, folder, pair)
        entries, began = watched.training.report.ledger.entries, watched.clock()
        watched.kinds.clear()
        spent.subtract({key: cost for key, (cost, _) in entries.items()})
        rates = np.array([[each.turn(seconds) for each in (bare, watched, watched, bare)] for _ in range(rounds)])
        ratios.append(middle(np.log(rates) @ [-0.5, 0.5, 0.5, -0.5]))
        speeds.append(float(np.median(rates[:, ::3])))
        spent.update({key: cost for key, (cost, _) in entries.items()})
        kinds, used = kinds + watched.kinds, used + watched.clock() - began
        if pair + 1 < pairs:
            bare.run.close()  # or they would undo later, for those that come, what they set up for themselves
            watched.run.close()
    return {
        "lane": watched.training.lane.name,
        "steps per CPU-second": float(np.median(speeds)),
        "ratio to bare": float(np.exp(np.mean(ratios))),
        "standard error": float(np.std(ratios, ddof=1) / len(ratios) ** 0.5),
        "events per CPU-second": {kind: n / used for kind, n in kinds.items()},
        "share of the CPU time": {key: cost / used for key, cost in spent.items()},
        "one asking, CPU-seconds": dict(asked(watched)),
    }


def middle(values: NDArray[np.float64]) -> float:
    """The mean without the largest and the smallest tenth."""
    cut = len(values) // 10
    return float(np.sort(values)[cut : len(values) - cut].mean())


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


def tell(name: str, found: dict[str, Any]) -> None:
    ratio, error = found["ratio to bare"], found["standard error"]
    print(f"{name}, {found['lane']} lane, {found['steps per CPU-second']:.0f} steps/CPU-s bare")
    print(f"  watched to bare: {ratio:.4f} ± {error:.4f}")
    print("  events per CPU-second:", ", ".join(f"{k} {n:.1f}" for k, n in found["events per CPU-second"].items()))
    shares = sorted(found["share of the CPU time"].items(), key=lambda item: -item[1])
    inside = sum(share for key, share in shares if key != "evaluation")
    print(
        f"  accounted: {100 * inside:.2f} % inside;", ", ".join(f"{k} {100 * s:.2f} %" for k, s in shares if s > 5e-5)
    )
    print("  one asking:", ", ".join(f"{k} {1000 * s:.1f} ms" for k, s in found["one asking, CPU-seconds"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10, help="of trainings, two or more")
    parser.add_argument("--rounds", type=int, default=20, help="of four turns each, for a pair")
    parser.add_argument("--seconds", type=float, default=0.1, help="CPU-seconds of a turn")
    parser.add_argument("--only", nargs="*", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--validated", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    everything = {}
    gc.collect()
    gc.freeze()  # as the runner has done when it forks a worker
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            found = compare(name, args.pairs, args.rounds, args.seconds, args.validated, Path(folder))
            everything[name] = found
            tell(name, found)
            sys.stdout.flush()
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
