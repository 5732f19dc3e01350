"""Layerloom with everything watched against other libraries, in training steps per CPU-second.

Every contestant trains the same six networks from the same weights on the same arrays, with the same batch size,
optimizer and learning rate, on one thread, in a process and an environment of its own (made here on first use, under
--cache, with pip). First all train so many epochs that their losses can be compared; that also is what compilers and
caches need to warm up. Then they take turns; a ratio is formed within a round, so that other load on the machine meets
all alike. What cannot be installed, or fails, is listed as absent with the reason. Not alike where it cannot be: orders
of the batches; one bias instead of two in the LSTM of Keras; JAX and Keras have images channels-last.

    python -m benchmarks.peers --only cnn lstm --rounds 7 --contestants layerloom plain --json peers.json
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
HERE = ""  # the environment that runs this script


@dataclass(frozen=True)
class Contestant:
    """``module`` of benchmarks.contest with its arguments, in an environment of ``packages``."""

    module: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    backend: str = ""
    only: tuple[str, ...] = ()  # the workloads it can do; none: all

    @property
    def environment(self) -> str:
        return "-".join(package.split("=")[0] for package in self.packages) or HERE


MLPS = ("spiral", "mlp", "deep")
TORCH, JAX = ("torch",), ("keras", "jax")
CONTESTANTS = {
    "plain PyTorch": Contestant("plain"),
    "layerloom": Contestant("ours", ("auto",)),
    "layerloom, eager lane": Contestant("ours", ("eager",)),
    "layerloom, not validated": Contestant("ours", ("unvalidated",)),
    "forward and backward alone": Contestant("plain", ("limit",)),
    "arithmetic alone": Contestant("floor"),
    "Lightning Trainer": Contestant("lightning_fit", packages=("lightning", *TORCH)),
    "Keras fit, JAX": Contestant("keras_fit", packages=JAX, backend="jax"),
    "Keras fit, TensorFlow": Contestant("keras_fit", packages=("keras", "tensorflow-cpu"), backend="tensorflow"),
    "Keras fit, torch": Contestant("keras_fit", packages=("keras", *TORCH), backend="torch"),
    "scikit-learn MLP": Contestant("sklearn_fit", packages=("scikit-learn",), only=MLPS),
    "JAX, jitted step": Contestant("jax_loop", ("step",), JAX),
    "JAX, scan over an epoch": Contestant("jax_loop", ("scan",), JAX),
}
REFERENCE = "plain PyTorch"


def python_of(environment: str, packages: tuple[str, ...], cache: Path) -> str:
    """The Python of an environment, which is made if need be. Raises RuntimeError with pip's last words."""
    if environment == HERE:
        return sys.executable
    folder = cache / environment
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"making the environment {environment} …", flush=True)
        index = subprocess.run(["sh", ROOT / ".ci" / "torch-index"], capture_output=True, text=True, check=False)
        install = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            *index.stdout.split(),
            *packages,
        ]
        for command in ([sys.executable, "-m", "venv", "--clear", folder], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
        ready.touch()
    return str(python)


class Process:
    """A contestant at work. ``ask`` raises RuntimeError with its last words where it has died."""

    def __init__(self, contestant: Contestant, python: str, workload: str, data: Path) -> None:
        backend = {"KERAS_BACKEND": contestant.backend} if contestant.backend else {}
        module = f"benchmarks.contest.{contestant.module}"
        self.errors = open(data.with_suffix(f".{contestant.module}{id(self)}.err"), "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, "-m", module, workload, str(data), *contestant.arguments],
            cwd=ROOT, env=os.environ | ONE_THREAD | backend, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
        )  # fmt: skip

    def ask(self, **command: Any) -> dict[str, float]:
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError((self.errors.read().strip() or "it ended without a word").splitlines()[-1])
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.errors.close()


@contextmanager
def contest(workload: str, names: list[str], cache: Path, absent: dict[str, str]) -> Iterator[dict[str, Process]]:
    """The contestants that can take part, warmed up one by one; why the others cannot goes to ``absent``."""
    with ExitStack() as stack:
        found = {}
        for name in names:
            contestant = CONTESTANTS[name]
            if contestant.only and workload not in contestant.only:
                absent[name] = "it has no such network"
                continue
            try:
                python = python_of(contestant.environment, contestant.packages, cache)
            except RuntimeError as error:
                absent[name] = str(error)
                continue
            found[name] = Process(contestant, python, workload, cache / f"{workload}.npz")
            stack.callback(found[name].close)
        yield found


def run(workload: str, names: list[str], rounds: int, seconds: float, cache: Path) -> dict[str, Any]:
    absent: dict[str, str] = {}
    losses: dict[str, float] = {}
    rates: dict[str, list[float]] = {}
    with contest(workload, names, cache, absent) as processes:
        for command in (
            {"do": "warm"},
            {"do": "turn", "seconds": 3 * seconds},
            *[{"do": "turn", "seconds": seconds}] * rounds,
        ):
            for name, process in processes.items():
                if name in absent:
                    continue
                try:
                    answer = process.ask(**command)
                except RuntimeError as error:
                    absent[name] = str(error)
                    continue
                if command["do"] == "warm":
                    losses[name] = answer["loss"]
                elif command["seconds"] == seconds:
                    rates.setdefault(name, []).append(answer["steps"] / answer["cpu"])
    present = {name: found for name, found in rates.items() if name not in absent}
    return {"workload": workload, "load": os.getloadavg(), "losses": losses, "rates": present, "absent": absent}


def table(result: dict[str, Any]) -> str:
    lines = [f"{result['workload']}  (load average {result['load'][0]:.1f})"]
    reference = result["rates"].get(REFERENCE)
    for name, found in result["rates"].items():
        ratios = [a / b for a, b in zip(found, reference, strict=True)] if reference else [float("nan")]
        spread = f"{statistics.median(ratios):6.2f} [{min(ratios):.2f} .. {max(ratios):.2f}]"
        line = f"  {name:28}{statistics.median(found):10.1f} steps/CPU-s   ratio {spread:24}"
        loss = result["losses"][name]
        lines.append(line + (" trains nothing" if math.isnan(loss) else f" loss after warm-up {loss:.4f}"))
    return "\n".join([*lines, *(f"  {name:28}absent: {why}" for name, why in result["absent"].items())])


def prepare(cache: Path) -> None:
    from benchmarks.contest import task
    from engine.config import DataRef
    from engine.data import load

    cache.mkdir(parents=True, exist_ok=True)
    digits = load(DataRef("digits"))
    for name in task.WORKLOADS:
        task.write(cache / f"{name}.npz", name, (digits.x_train[:, 0], digits.y_train))


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from benchmarks.contest.task import WORKLOADS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--contestants", nargs="+", default=[], help="names, or parts of them; default: all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU-seconds of a turn")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "layerloom" / "peers")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    chosen = [n for n in CONTESTANTS if not args.contestants or any(c.lower() in n.lower() for c in args.contestants)]
    prepare(args.cache)
    results = []
    for workload in args.only:
        results.append(run(workload, chosen, args.rounds, args.seconds, args.cache))
        print(table(results[-1]), flush=True)
        if args.json:
            args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
