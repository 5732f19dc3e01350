"""``train.py``: a program of a page or two that repeats a training. No torch."""

from __future__ import annotations

from builder.names import ascii_text
from engine.data import BY_NAME
from engine.export.imports import header
from engine.export.program import Program
from engine.export.recipe import Recipe

DOCSTRING = '''"""Trains the network of model.py on {title}, as Layerloom does.

Same data, seed, starting weights, batches and equations, so the same losses.
"""'''


def train_script(recipe: Recipe) -> str:
    """Source of a module with ``train() -> (net, losses)``; it needs model.py and data.npz beside it."""
    program = Program(recipe)
    saved = "retrained.safetensors" if recipe.trained else "weights.safetensors"
    train = [
        "def train() -> tuple[Net, list[float]]:",
        '    """The trained network, and the loss of each batch."""',
        *(f"    {line}" for line in (*program.setup, *program.loop, *program.ending)),
        "    return net, losses",
    ]
    main = [
        'if __name__ == "__main__":',
        "    net, _ = train()",
        f'    save_file(net.state_dict(), HERE / "{saved}")',
    ]
    constants = ["HERE = Path(__file__).parent", *program.constants]
    code = "\n\n\n".join("\n".join(lines) for lines in (*program.functions, train, main))
    head = "\n".join([DOCSTRING.format(title=title(recipe)), "", *header("\n".join(constants) + "\n" + code)])
    return head + "\n\n" + "\n".join(constants) + "\n\n\n" + code + "\n"


def title(recipe: Recipe) -> str:
    """What the data set is called, in characters that every tool reads."""
    return ascii_text(BY_NAME[recipe.data.name].title.replace("×", "x"))
