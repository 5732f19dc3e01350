"""What it costs to keep a moment of a training: time taken from the loop, time of the thread beside it, bytes.

``python -m benchmarks.keeping`` prints CPU milliseconds, median and range over 20 moments of each template.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from builder import templates
from engine.config import DataRef, TrainConfig
from engine.keeper import SECONDS, SHARE, Keeper
from engine.store import RunFolder
from engine.worker import prepare

NAMES = ("spiral_mlp", "mlp", "lenet5", "lstm", "transformer", "resnet20")
MOMENTS = 20


def measure(name: str, home: Path) -> tuple[list[float], list[float], int]:
    """CPU seconds of the loop and of the thread for each moment, and the bytes of one."""
    dataset = next(t.dataset for t in templates.TEMPLATES if t.name == name)
    run = RunFolder.create(home, templates.load(name), TrainConfig(DataRef(dataset), steps=MOMENTS))
    training = prepare(run, resume=False)
    keeper, loop, thread = Keeper(run, training), [], []
    for _ in training.run():
        began = time.thread_time()
        keeper.keep()
        loop.append(time.thread_time() - began)
        while len(keeper.news) < len(loop):
            time.sleep(0.001)
        time.sleep(0.005)  # until the thread has taken its own time
        thread.append(keeper.cost)
    keeper.close()
    return loop, thread, keeper.moments[-1].bytes


def said(seconds: list[float]) -> str:
    return f"{1e3 * median(seconds):6.2f} [{1e3 * min(seconds):.2f}..{1e3 * max(seconds):.2f}]"


def main() -> None:
    out = sys.stdout.write
    out(f"{'template':14}{'loop, ms':24}{'thread, ms':24}{'kB':>8}{'of the time':>14}\n")
    for name in NAMES:
        with tempfile.TemporaryDirectory() as home:
            loop, thread, size = measure(name, Path(home))
        both = median(loop) + median(thread)
        share = both / max(SECONDS, both / SHARE)  # where moments are kept as often as they ever are
        out(f"{name:14}{said(loop):24}{said(thread):24}{size / 1e3:8.0f}{100 * share:12.2f} %\n")


if __name__ == "__main__":
    main()
