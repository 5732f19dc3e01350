"""Edit → preview, before any training: ``python benchmarks/preview_latency.py [--browser]``.

Each edit changes the width of a hidden layer or the number of filters, so that nothing can be reused. The clock runs
from the ask to the answer in the app's process (compile, one batch forward and back, pictures, verdict); with
``--browser`` from the click on Undo or Redo to the event that the canvas draws. An idle machine is meant.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from builder import templates
from builder.graph import Edge, Graph, Node
from builder.infer import infer
from engine.config import DataRef, TrainConfig
from engine.executor import LocalExecutor
from engine.probing import Answer, Prober
from engine.verdict import verdict
from tests.e2e.browser import ROOT, chromium, serve

PROMISED = 300.0  # ms


def wide(width: int) -> Graph:
    """784 → width → width → 10: a million parameters at width 630."""
    sizes = [("Flatten", {}), ("Linear", {"out_features": width}), ("ReLU", {}), ("Linear", {"out_features": width}),
             ("ReLU", {}), ("Linear", {"out_features": 10}), ("Output", {})]  # fmt: skip
    graph = Graph((Node("input_1", "Input", {"shape": (1, 28, 28)}),))
    for type_, params in sizes:
        node = Node(graph.fresh_id(type_), type_, params)
        graph = graph.add(node, [Edge(graph.nodes[-1].id, node.id)])
    return graph


def edited(name: str, turn: int) -> tuple[Graph, str]:
    """The drawing ``name`` after its edit number ``turn``, and its data."""
    if name == "a million":
        return wide(625 + turn % 5), "mnist"
    graph, data = templates.load(name), templates.BY_NAME[name].dataset
    kinds = {"Linear": "out_features", "Conv2d": "out_channels", "LSTM": "hidden_size"}
    first = next(n for n in graph.nodes if n.type in kinds)
    size = int(first.params.get(kinds[first.type], 32)) + turn % 5
    return graph.set_params(first.id, {kinds[first.type]: size}), data


def in_the_app(prober: Prober, name: str, repeats: int) -> list[float]:
    """ms from ask to verdict."""
    times = []
    for turn in range(repeats + 2):
        graph, data = edited(name, turn)
        began = time.perf_counter()
        ticket = prober.ask("bench", graph, TrainConfig(DataRef(data)))
        answer = waited(prober, ticket)
        verdict(graph, answer)
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.2)  # nobody edits faster, and a burst is spaced out
    return times[2:]


def waited(prober: Prober, ticket: int) -> Answer:
    while (answer := prober.answer("bench")) is None or answer.ticket < ticket:
        time.sleep(0.001)
    assert answer.problem is None, answer.problem
    return answer


CLICK = """async ([name, count]) => {
  const root = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).find((s) => s?.querySelector(".editor"));
  const heard = new Promise((done, fail) => {
    const hear = (e) => { if (Object.keys(e.detail.nodes).length === count) done(); };
    window.addEventListener("layerloom:preview", hear);
    setTimeout(() => fail(new Error("no preview came")), 30_000);
  });
  const start = performance.now();
  root.querySelector(`button[aria-label=${name}]`).click();
  await heard;
  return performance.now() - start;
}"""


SHOWN = (
    """window.addEventListener("layerloom:preview", (e) => { window.shown = Object.keys(e.detail.nodes).length; });"""
)


def in_the_browser(repeats: int) -> dict[str, list[float]]:
    """ms from the click to the event. The edit that is undone and redone is the removal of an activation."""
    found = {}
    with tempfile.TemporaryDirectory() as home, serve(ROOT / "app.py", Path(home)) as (url, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(SHOWN)
        page.goto(url)
        for name in ("spiral_mlp", "vanishing", "lenet5"):
            page.get_by_text("first batch: loss").wait_for(timeout=60_000)
            page.get_by_role("button", name="Templates").click()
            page.get_by_role("button", name=templates.BY_NAME[name].title, exact=True).click()
            nodes = len(templates.load(name).nodes)
            page.wait_for_function("(n) => window.shown === n", arg=nodes, timeout=60_000)
            page.wait_for_timeout(1500)
            kind = "Sigmoid" if name == "vanishing" else "Tanh"
            page.get_by_role("group", name=f"{kind} {kind.lower()}_1,").click()
            page.keyboard.press("Delete")
            page.wait_for_function("(n) => window.shown === n", arg=nodes - 1, timeout=60_000)
            page.wait_for_timeout(500)
            times = []
            for turn in range(repeats + 2):
                times.append(page.evaluate(CLICK, (("Undo", nodes), ("Redo", nodes - 1))[turn % 2]))
                page.wait_for_timeout(500)
            found[name] = times[2:]
    return found


def report(name: str, params: int | None, times: list[float]) -> bool:
    median, slow = statistics.median(times), sorted(times)[int(0.9 * len(times))]
    size = f"{params:>10,}" if params else " " * 10
    print(f"{name:<16} {size}  median {median:6.0f} ms   p90 {slow:6.0f} ms   (promised {PROMISED:.0f})")
    return median <= PROMISED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--browser", action="store_true")
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}")
    if args.browser:
        kept = [report(name, None, times) for name, times in in_the_browser(args.repeats).items()]
        return int(not all(kept))
    with tempfile.TemporaryDirectory() as home:
        executor = LocalExecutor(Path(home))
        prober, kept = Prober(executor.start_probe), []
        for name in ("spiral_mlp", "vanishing", "mlp", "lenet5", "lstm", "a million"):
            params = infer(edited(name, 0)[0]).params
            kept.append(report(name, params, in_the_app(prober, name, args.repeats)))
        prober.close()
        executor.close()
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())
