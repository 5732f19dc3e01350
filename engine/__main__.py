"""``python -m engine train NET.json --data NAME``, ``… export``, ``… replay`` and ``… data``: the engine alone.

Ends with 0 if the run finished (or met its time limit), 1 if it failed or must not start, 2 if something cannot be
read, 130 if it was interrupted with Ctrl-C, which saves a checkpoint first.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from builder import document
from builder.diagnostic import Diagnostic, Refused, suggest
from builder.graph import Graph
from engine import again, data, knobs
from engine.config import SETTINGS, TrainConfig
from engine.control import Inbox
from engine.data.csv_read import check_size
from engine.events import Event
from engine.export import weights
from engine.export.bundle import bundle, bundle_of, folder
from engine.export.job import OnnxJob
from engine.export.recipe import Recipe, planned
from engine.home import home, is_run_id
from engine.preflight import preflight
from engine.store import RunFolder

SETTING_NAMES = tuple(p.name for p in SETTINGS)
SHORTCUTS = ("steps", "seed", "device")
MEASURES = ("train_loss", "val_loss", "train_metric", "val_metric", "seconds")
BAR = 24  # characters


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        code = {"train": train, "export": export, "replay": replay, "data": list_data}[args.command](args)
        sys.stdout.flush()
        return code
    except Refused as refused:
        tell(refused.diagnostics)
        return 1
    except BrokenPipeError:  # who reads, such as head, has seen enough; Python must not find out again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename or 'standard output'}: {error.strerror}.", file=sys.stderr)
        return 2


def list_data(_args: argparse.Namespace) -> int:
    print(data.list_datasets())
    return 0


def export(args: argparse.Namespace) -> int:
    """Writes a zip, an ONNX file, or both, and prints where."""
    run = find_run(args.net)
    graph = run.graph if run else read_network(args.net)
    title = run.meta.title if run else Path(args.net).stem
    if args.onnx:
        logging.getLogger("layerloom").addHandler(logging.NullHandler())  # a trace is for who looks after a server
        args.onnx.write_bytes(OnnxJob(graph, weights.read(run).content if run else None).wait())
        print(args.onnx)
    if args.out or not args.onnx:
        out = args.out or Path(f"{folder(title)}.zip")
        out.write_bytes(bundle_of(run) if run else bundle(recipe(args, graph), title))
        print(out)
    return 0


def replay(args: argparse.Namespace) -> int:
    return again.replay(args, find_run(args.what))


def find_run(name: str) -> RunFolder | None:
    """The run in the folder ``name``, or with the id ``name`` in the workspace."""
    if (Path(name) / "run.json").is_file():
        return RunFolder(Path(name))
    return RunFolder.open(home(), name) if is_run_id(name) and not Path(name).exists() else None


def recipe(args: argparse.Namespace, graph: Graph) -> Recipe:
    with tempfile.TemporaryDirectory() as place:
        if args.csv:
            (Path(place) / "data.csv").write_bytes(read_table(args.csv))
        return planned(graph, configure(args), Path(place))


def train(args: argparse.Namespace) -> int:
    graph, csv = read_network(args.net), read_table(args.csv) if args.csv else None
    config = configure(args)
    if not ready(graph, config, csv):
        return 1
    run = create(args, graph, config, csv)
    meter, inbox = Meter(config.steps), Inbox()
    interrupted = on_interrupt(inbox)
    from engine.worker import work  # torch, which the checks above do without

    state = work(run, inbox, listener=lambda events: meter.hear(events, inbox))
    body = {"run": str(run.path), "steps": run.step, **meter.measured, "state": state}
    ended = run.log.last("state")
    reason = meter.hit or (ended.body["reason"] if ended else "")
    run.log.close()
    print(json.dumps(body | {"reason": reason}) if args.json else "\n".join(report(body, reason)))
    return 130 if interrupted() else int(state == "failed")


def configure(args: argparse.Namespace) -> TrainConfig:
    """The settings of the command line. Raises Refused with all that is wrong with them."""
    name = args.data or ("csv" if args.csv else None)
    if name is None:
        what = "A network needs data to train on."
        raise Refused(Diagnostic("data/missing", what, "Give --data NAME or --csv FILE."))
    settings = {key: getattr(args, key) for key in SHORTCUTS if getattr(args, key) is not None}
    options, turned = {"target": args.target} if args.target else {}, {}
    for key, value in map(pair, args.set):
        if key in SETTING_NAMES:
            settings[key] = value
        elif knobs.knob(key):
            turned[key] = value
        elif key in data_options(name):
            options[key] = value
        else:
            known = [*SETTING_NAMES, *knobs.BY_NAME, "dropout", *data_options(name)]
            raise Refused(Diagnostic("config/unknown", f"There is no setting {key!r}.", suggest(key, known), field=key))
    body = {**settings, "breakpoints": args.breaks, "data": {"name": name, "options": options}, "knobs": turned}
    return TrainConfig.from_json(body | several(args))


def several(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of copies: as many as there are values, where it is not said how many."""
    vary: dict[str, list[float]] = {}
    for key, values in map(pair, args.vary):
        try:
            vary[key] = [float(value) for value in str(values).split(",")]
        except ValueError:
            what = f"--vary needs numbers between commas; it gets {values!r}."
            raise Refused(Diagnostic("copies/form", what, "Write for example --vary lr=0.001,0.01,0.1.")) from None
    count = args.copies or max(map(len, vary.values()), default=1)
    return {"copies": count, "vary": vary} if count > 1 else {}


def pair(text: str) -> tuple[str, Any]:
    """``key=value``; the value is read as JSON where it is JSON (0.1, true), else as a word."""
    key, equals, value = text.partition("=")
    if not equals:
        what = f"--set needs key=value; it gets {text!r}."
        raise Refused(Diagnostic("config/set", what, "Write for example --set lr=0.1."))
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def data_options(name: str) -> list[str]:
    spec = data.BY_NAME.get(name)
    return [*(p.name for p in spec.options), *spec.text_options] if spec else []


def ready(graph: Graph, config: TrainConfig, csv: bytes | None) -> bool:
    """Tells what speaks against the run; True if nothing forbids it."""
    with tempfile.TemporaryDirectory() as folder:
        if csv is not None:
            (Path(folder) / "data.csv").write_bytes(csv)
        found = preflight(graph, config, data.load(config.data, config.seed, Path(folder)))
    tell(found)
    return not any(d.severity == "error" for d in found)


def create(args: argparse.Namespace, graph: Graph, config: TrainConfig, csv: bytes | None) -> RunFolder:
    title = Path(args.net).stem
    if args.out:
        return RunFolder.create_at(args.out, graph, config, title=title, csv=csv)
    return RunFolder.create(home(), graph, config, title=title, csv=csv)


def read_network(net: str) -> Graph:
    if net == "-":
        return document.loads(sys.stdin.buffer.read(document.MAX_BYTES + 1))
    with open(net, "rb") as file:
        return document.loads(file.read(document.MAX_BYTES + 1))


def read_table(path: Path) -> bytes:
    """Raises Refused with its size, and reads nothing, where it is too large."""
    check_size(path.stat().st_size)
    return path.read_bytes()


class Meter:
    """Hears every event: keeps the newest numbers and draws a progress bar where a terminal shows it.

    A breakpoint ends the run, for nobody is there to look at it and go on.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.draws = steps, sys.stderr.isatty()
        self.measured: dict[str, float | None] = dict.fromkeys(MEASURES)
        self.hit = ""  # why the run stopped, where a breakpoint did it

    def hear(self, events: Sequence[Event], inbox: Inbox) -> None:
        for event in events:
            if event.kind == "hit" and event.body["when"]:
                self.hit = event.body["says"]
                inbox.put({"do": "stop"})
            if event.kind == "point":
                self.measured |= {k: event.body[k] for k in MEASURES if event.body.get(k) is not None}
                if self.draws:
                    sys.stderr.write(f"\r{self.line(event)}\x1b[K")
            elif event.kind == "state" and self.draws and event.step:
                sys.stderr.write("\n")

    def line(self, event: Event) -> str:
        done = "█" * (BAR * event.step // self.steps)
        losses = "  ".join(f"{name} {shown(self.measured[f'{name}_loss'])}" for name in ("train", "val"))
        speed = event.body.get("steps_per_s") or 0
        return f"{done:░<{BAR}} {event.step}/{self.steps}  loss: {losses}  {speed:,.0f} steps/s"


def report(body: dict[str, Any], reason: str) -> list[str]:
    lines = [f"{key + ':':14}{shown(value)}" for key, value in body.items()]
    return [*lines, f"{'reason:':14}{reason}"] if reason else lines


def shown(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def on_interrupt(inbox: Inbox) -> Callable[[], bool]:
    """The first Ctrl-C stops the run with a checkpoint, the second ends Python. The result says whether one came."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        inbox.put({"do": "stop"})
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    return lambda: bool(came)


def tell(diagnostics: Iterable[Diagnostic]) -> None:
    for d in diagnostics:
        print(f"{d.severity}: {d.node + ': ' if d.node else ''}{d.text} [{d.code}]", file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("python -m engine", description="Train a network drawn with Layerloom.")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("data", help="list the data sets")
    go = commands.add_parser("train", help="train a network and print its final metrics")
    go.add_argument("net", metavar="NET.json", help="a network document; - reads standard input")
    add_settings(go)
    go.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: a new one in the workspace)")
    go.add_argument("--json", action="store_true", help="print the final metrics as JSON")
    again.add(commands)
    away = commands.add_parser("export", help="write a training as program, notebook, data and weights")
    away.add_argument("net", metavar="RUN_OR_NET.json", help="a run (its folder or id) or a network document")
    add_settings(away)
    away.add_argument("--out", type=Path, metavar="FILE.zip", help="where to (default: named after the network, here)")
    away.add_argument("--onnx", type=Path, metavar="FILE.onnx", help="write the network as ONNX, checked")
    return top


def add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", metavar="NAME", help="a data set (see: python -m engine data)")
    command.add_argument("--csv", type=Path, metavar="FILE", help="a table of your own")
    command.add_argument("--target", metavar="COL", help="the column of the table to predict")
    command.add_argument("--steps", type=int, metavar="N", help="how many batches to train on")
    command.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same run")
    command.add_argument(
        "--break",
        dest="breaks",
        action="append",
        default=[],
        metavar='"gap>0.5"',
        help="stop there: a quantity above or below a value, or step=500; may be repeated",
    )
    command.add_argument("--copies", type=int, metavar="N", help="train so many copies at once, with other seeds")
    command.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="key=a,b,c",
        help="a copy for each of these values of a knob, of seed or of order; may be repeated",
    )
    command.add_argument("--device", metavar="auto|cpu|cuda|mps", help="where to compute")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        help="any setting, knob (such as lr or dropout) or option of the data set; may be repeated",
    )


if __name__ == "__main__":
    sys.exit(main())
