"""What an uploaded table costs the app process: memory, and how long its other threads are held up.

``python -m benchmarks.upload [--mb 30] [--here]`` keeps a table of that size, imports it and looks at it as a page
does; ``--here`` parses it in this process instead, for comparison. It prints:
- grown: peak resident memory above what there was before, in MB; aim: small, whatever the size of the table
- held: the longest time for which another thread of this process got no turn, in ms; aim: a frame or two
- seconds: from the upload to the data set, and again when it is on disk
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from engine.data import preview
from engine.data.csv import csv_dataset
from engine.data.upload import Upload, keep

OPTIONS: dict[str, Any] = {"target": "kind", "task": "auto", "test_share": 0.2}
PAUSE = 0.005  # s between two looks


class Watch(threading.Thread):
    """Another thread of the app: sees the peak of the memory and how long it waited for its turn."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process()
        self.before = self.peak = self.process.memory_info().rss
        self.held = 0.0
        self.going = True

    def run(self) -> None:
        while self.going:
            began = time.perf_counter()
            time.sleep(PAUSE)
            self.held = max(self.held, time.perf_counter() - began - PAUSE)
            self.peak = max(self.peak, self.process.memory_info().rss)


def main() -> None:
    parser = argparse.ArgumentParser(description="What an uploaded table costs the app process.")
    parser.add_argument("--mb", type=int, default=30, help="size of the table")
    parser.add_argument("--here", action="store_true", help="parse it in this process, as a comparison")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home / "table.csv", args.mb)
        data = (home / "table.csv").read_bytes()  # the browser's upload, which Streamlit holds in any case
        watch = Watch()
        watch.start()
        began = time.perf_counter()
        look(data, home, args.here)
        first = time.perf_counter() - began
        look(data, home, args.here)
        watch.going = False
        watch.join()
    print(f"grown    {(watch.peak - watch.before) / 2**20:8.1f} MB for a table of {len(data) / 2**20:.1f} MB")
    print(f"held     {1000 * watch.held:8.1f} ms")
    print(f"seconds  {first:8.1f} s, again {time.perf_counter() - began - first:.2f} s")


def look(data: bytes, home: Path, here: bool) -> None:
    """What a page does with an upload."""
    if here:
        preview(csv_dataset(data, **OPTIONS))
        return
    table = Upload(home, keep(data, home))
    table.report(OPTIONS)
    preview(table.dataset(OPTIONS))


def write(path: Path, mb: int) -> None:
    with open(path, "w") as file:
        file.write("a,b,c,d,e,f,kind\n")
        for i in range(mb * 2**20 // 62):
            numbers = (f"{i * factor % 99_991 / 7:.4f}" for factor in (37, 61, 1_013, 1_031, 9_973, 10_007))
            file.write(f"{','.join(numbers)},{'ab'[i % 2]}\n")
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
