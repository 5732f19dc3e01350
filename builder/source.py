"""A drawn network as stand-alone PyTorch source, as a person would have written it. No torch needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.catalog.initialisation import SCHEMES
from builder.definitions import OWN, definitions
from builder.expression import Printer
from builder.graph import Graph
from builder.names import ascii_text, class_name, comment
from builder.plan import Plan, Step, plan
from builder.spec import Call, Expression, In, Item, Shape, TensorSpec, call

WIDTH = 88  # what formatters keep to when nobody tells them otherwise
REGISTERS = ("x", "y", "z", "u", "v", "w")
WEIGHTS = "weights.safetensors"


def source(graph: Graph, name: str = "Net") -> str:
    """A module of Python that defines the network of ``graph`` as a class and runs it once on zeros.

    Its state_dict has the keys of compile_graph's. Raises Refused if the graph has errors.
    """
    steps = plan(graph)
    net = class_name(name)
    parts = [_head(steps, ascii_text(name)), *_definitions(steps), _class(steps, net), _main(steps, net)]
    return "\n\n\n".join(text for part in parts if (text := "\n".join(part))) + "\n"


def _head(p: Plan, title: str) -> Iterator[str]:
    title = title.replace("\\", "/").replace('"', "'")
    yield f'"""{title[:60].strip() or "Net"}: a network drawn in Layerloom."""'
    yield ""
    if any(s.init != "pytorch" for s in p.steps):
        yield "from collections.abc import Callable"
    yield "from pathlib import Path"
    yield ""
    yield "import torch"
    yield "from torch import nn"


def _definitions(p: Plan) -> list[list[str]]:
    """What the network uses of our own classes and functions, each once."""
    used = {target.removeprefix(OWN) for s in p.steps for e in (s.module, s.forward) for target in _targets(e)}
    if any(s.init != "pytorch" for s in p.steps):
        used.add("initialize")
    return [[text] for name, text in definitions().items() if name in used]


def _targets(e: Any) -> Iterator[str]:
    """The names of our own in ``e``."""
    match e:
        case Item(of):
            yield from _targets(of)
        case Call(target, args, kwargs):
            if target.startswith(OWN):
                yield target
            for argument in (*args, *(value for _, value in kwargs)):
                yield from _targets(argument)


def _class(p: Plan, net: str) -> Iterator[str]:
    yield f"class {net}(nn.Module):"
    if any(s.module for s in p.steps):
        yield "    def __init__(self) -> None:"
        yield "        super().__init__()"
        yield from _constructors(p)
        yield ""
    yield from _forward(p)


def _constructors(p: Plan) -> Iterator[str]:
    for s in p.steps:
        if s.module:
            if label := comment(s.label):
                yield f"        # {label}"
            yield from _assignment(f"self.{s.name}", s.module, Printer())
    for s in p.steps:
        if s.init != "pytorch":
            scheme = SCHEMES[s.init]
            fill = call("initialize", In(0), In(1), **dict(scheme.kwargs))
            yield from _indented(Printer((f"self.{s.name}", scheme.target)).lines(fill, WIDTH - 8))


def _forward(p: Plan) -> Iterator[str]:
    given = [_register(i) for i in range(len(p.inputs))]
    result = "torch.Tensor" if len(p.outputs) == 1 else "tuple[torch.Tensor, ...]"
    signature = f"    def forward(self, {', '.join(f'{x}: torch.Tensor' for x in given)}) -> {result}:"
    if len(signature) <= WIDTH:
        yield signature
    else:
        yield from ("    def forward(", "        self,", *(f"        {x}: torch.Tensor," for x in given))
        yield f"    ) -> {result}:"
    for x, (_, spec) in zip(given, p.inputs, strict=True):
        yield f"        # {x}: {_shape(spec)}"
    for s in p.steps:
        yield from _step(s)
    returned = [_register(i) for _, i in p.outputs]
    yield from _returned(returned)


def _step(s: Step) -> list[str]:
    if not s.module and (label := comment(s.label)):
        return [f"        # {label}", *_step_line(s)]
    return _step_line(s)


def _step_line(s: Step) -> list[str]:
    printer = Printer([_register(i) for i in s.sources], f"self.{s.name}")
    return _assignment(_register(s.target), s.forward, printer, _shape(s.output))


def _assignment(left: str, e: Expression, printer: Printer, note: str = "") -> list[str]:
    """``left = e  # note``, the note above and the arguments below each other where the line is too long."""
    line = f"        {left} = {printer.statement(e)}"
    if note and len(line) + len(note) + 4 <= WIDTH:
        return [f"{line}  # {note}"]
    above = [f"        # {note}"] if note else []
    if len(line) <= WIDTH:
        return [*above, line]
    first, *rest = printer.lines(e, WIDTH - len(left) - 11)
    return above + _indented([f"{left} = {first}", *rest])


def _returned(names: list[str]) -> list[str]:
    if len(names) == 1:
        return [f"        return {names[0]}"]
    line = f"        return {', '.join(names)}"
    return [line] if len(line) <= WIDTH else ["        return (", *(f"            {x}," for x in names), "        )"]


def _indented(lines: list[str]) -> list[str]:
    return [f"        {line}" for line in lines]


def _register(i: int) -> str:
    return REGISTERS[i] if i < len(REGISTERS) else f"x{i}"


def _shape(spec: TensorSpec) -> str:
    """``(N, 16, 14, 14)``; N is the batch."""
    return f"({', '.join(('N', *map(str, spec.shape)))})" if spec.shape else "(N,)"


def _main(p: Plan, net: str) -> Iterator[str]:
    zeros = [_zeros(spec.shape, spec.dtype) for _, spec in p.inputs]
    batch = call("net", *(In(i) for i in range(len(zeros))))
    yield 'if __name__ == "__main__":'
    yield f"    net = {net}().eval()"
    yield f'    weights = Path(__file__).with_name("{WEIGHTS}")'
    yield "    if weights.exists():"
    yield "        from safetensors.torch import load_file"
    yield ""
    yield "        net.load_state_dict(load_file(weights))"
    yield "    with torch.no_grad():"
    first, *rest = Printer(zeros).lines(batch, WIDTH - 17)
    yield from _indented([f"outputs = {first}", *rest])
    if len(p.outputs) == 1:
        yield "    print(tuple(outputs.shape))"
    else:
        yield "    print([tuple(output.shape) for output in outputs])"


def _zeros(shape: Shape, dtype: str) -> str:
    kind = "" if dtype == "float32" else f", dtype=torch.{dtype}"
    return f"torch.zeros({', '.join(map(str, (1, *shape)))}{kind})"
