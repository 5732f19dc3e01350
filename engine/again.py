"""``python -m engine replay FILE|RUN``: does a training again, and says whether the same weights come out."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from engine import account
from engine.account import Account
from engine.store import RunFolder

SAY_SECONDS = 0.25  # between two words on how far it is


def replay(args: argparse.Namespace, run: RunFolder | None) -> int:
    """Ends with 1 where ``--check`` finds other weights, or none recorded to compare with."""
    read = account.of_run(run) if run else account.loads(Path(args.what).read_bytes())
    csv = args.csv or (run.path / "data.csv" if run else None)
    account.check_table(read, csv)
    if args.document:
        args.document.write_text(read.dumps())
    same, words = repeat(read, csv, args)
    say(json.dumps({"same": same, "steps": read.steps, "says": words}) if args.json else words)
    return int(args.check and not same)


def repeat(read: Account, csv: Path | None, args: argparse.Namespace) -> tuple[bool, str]:
    from engine.faults import RunFault  # torch, which the checks above do without
    from engine.replay import replay, verdict

    with tempfile.TemporaryDirectory() as place:
        if read.table and csv:
            (Path(place) / "data.csv").write_bytes(csv.read_bytes())
        try:
            found = replay(read, Path(place), Progress(args.json))
        except RunFault as fault:
            return False, f"The repetition broke where the run did not. {fault.reason}"
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        found.save(args.out, "last")
    return verdict(read, found)


class Progress:
    """Says now and then how many steps are done: to whoever reads JSON lines, or on a terminal."""

    def __init__(self, as_json: bool) -> None:
        self.as_json, self.due = as_json, 0.0

    def __call__(self, step: int) -> None:
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + SAY_SECONDS
        if self.as_json:
            say(json.dumps({"step": step}))
        elif sys.stderr.isatty():
            sys.stderr.write(f"\rstep {step:,}\x1b[K")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    again = commands.add_parser("replay", help="do a run again, and compare the weights")
    again.add_argument("what", metavar="FILE|RUN", help="the document of a run, or a run (its folder or id)")
    again.add_argument("--check", action="store_true", help="end with 1 where the weights are not the same to the bit")
    again.add_argument("--csv", type=Path, metavar="FILE", help="the table that the run was trained on")
    again.add_argument("--out", type=Path, metavar="DIR", help="write the state at the end there, as a checkpoint")
    again.add_argument("--document", type=Path, metavar="FILE", help="write the document of the run there")
    again.add_argument("--json", action="store_true", help="say how far it is, and the result, as JSON lines")
