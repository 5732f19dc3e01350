"""A drawn network as stand-alone PyTorch source, as a person would have written it. No torch needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.arguments import MISSING, Argument
from builder.catalog.initialisation import SCHEMES
from builder.classes import Assigned, Class, Classes
from builder.definitions import OWN, definitions
from builder.expression import Printer, literal
from builder.graph import Graph
from builder.infer import infer
from builder.names import ascii_text, class_name, comment, register
from builder.outline import outline
from builder.plan import Plan, plan
from builder.spec import Call, Expression, In, Item, Shape, call

WIDTH = 88  # what formatters keep to when nobody tells them otherwise
WEIGHTS = "weights.safetensors"


def source(graph: Graph, name: str = "Net") -> str:
    """A module of Python that defines the network of ``graph`` as a class and runs it once on zeros.

    Blocks are classes of their own. Its state_dict has the keys of compile_graph's. Raises Refused if the graph has
    errors.
    """
    steps = plan(graph)
    net = class_name(name)
    classes = Classes(outline(infer(graph)), net).made
    parts = [_head(steps, ascii_text(name)), *_definitions(steps), *map(_class, classes), _main(steps, net)]
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


def _class(c: Class) -> Iterator[str]:
    yield f"class {c.name}(nn.Module):"
    if any(line.module for line in c.lines):
        yield from _signature("__init__", [_argument(a) for a in c.arguments], "None")
        yield "        super().__init__()"
        yield from _constructors(c)
        yield ""
    yield from _forward(c)


def _argument(a: Argument) -> str:
    return f"{a.name}: {a.type}" + ("" if a.default is MISSING else f" = {literal(a.default)}")


def _signature(name: str, arguments: list[str], result: str) -> list[str]:
    line = f"    def {name}({', '.join(('self', *arguments))}) -> {result}:"
    if len(line) <= WIDTH:
        return [line]
    return [f"    def {name}(", *(f"        {a}," for a in ("self", *arguments)), f"    ) -> {result}:"]


def _constructors(c: Class) -> Iterator[str]:
    for line in c.lines:
        if line.module:
            if label := comment(line.label):
                yield f"        # {label}"
            yield from _assignment(f"self.{line.name}", line.module, Printer())
    for line in c.lines:
        if line.init != "pytorch":
            scheme = SCHEMES[line.init]
            fill = call("initialize", In(0), In(1), **dict(scheme.kwargs))
            yield from _indented(Printer((f"self.{line.name}", scheme.target)).lines(fill, WIDTH - 8))


def _forward(c: Class) -> Iterator[str]:
    result = "torch.Tensor" if len(c.outputs) == 1 else "tuple[torch.Tensor, ...]"
    yield from _signature("forward", [f"{x}: torch.Tensor" for x in c.given], result)
    for x, shape in zip(c.given, c.inputs, strict=True):
        if shape:
            yield f"        # {x}: {shape}"
    names = dict(enumerate(c.given))  # a register is called as what was given until something else is in it
    typed = _untyped(c)
    for i, line in enumerate(c.lines):
        left = register(line.target) + (": torch.Tensor" if i == typed else "")
        yield from _step(line, left, [names.get(k, register(k)) for k in line.sources])
        names.pop(line.target, None)
    yield from _returned([names.get(i, register(i)) for i in c.outputs])


def _untyped(c: Class) -> int | None:
    """The line that first makes what is returned, where no argument has that name and so says its type."""
    if len(c.outputs) > 1 or register(c.outputs[0]) in c.given:
        return None
    return next((i for i, line in enumerate(c.lines) if line.target == c.outputs[0] and not line.looped), None)


def _step(line: Assigned, left: str, sources: list[str]) -> list[str]:
    if not line.module and (label := comment(line.label)):
        return [f"        # {label}", *_step_line(line, left, sources)]
    return _step_line(line, left, sources)


def _step_line(line: Assigned, left: str, sources: list[str]) -> list[str]:
    if not line.looped:
        return _assignment(left, line.forward, Printer(sources, f"self.{line.name}"), line.note)
    target = register(line.target)
    before = [f"        {target} = {sources[0]}"] if target != sources[0] else []
    once = _assignment(target, line.forward, Printer([target, *sources[1:]], "block"), line.note, 12)
    return [*before, f"        for block in self.{line.name}:", *once]


def _assignment(left: str, e: Expression, printer: Printer, note: str = "", indent: int = 8) -> list[str]:
    """``left = e  # note``, the note above and the arguments below each other where the line is too long."""
    line = f"{' ' * indent}{left} = {printer.statement(e)}"
    if note and len(line) + len(note) + 4 <= WIDTH:
        return [f"{line}  # {note}"]
    above = [f"{' ' * indent}# {note}"] if note else []
    if len(line) <= WIDTH:
        return [*above, line]
    first, *rest = printer.lines(e, WIDTH - len(left) - indent - 3)
    return above + [f"{' ' * indent}{text}" for text in (f"{left} = {first}", *rest)]


def _returned(names: list[str]) -> list[str]:
    if len(names) == 1:
        return [f"        return {names[0]}"]
    line = f"        return {', '.join(names)}"
    return [line] if len(line) <= WIDTH else ["        return (", *(f"            {x}," for x in names), "        )"]


def _indented(lines: list[str]) -> list[str]:
    return [f"        {line}" for line in lines]


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
