"""From what a person typed to names and comments that are safe in Python source."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

from builder.definitions import definitions

# Public attributes of torch.nn.Module, which a layer must not hide; tests compare this with torch.
OF_MODULE = frozenset(
    re.findall(
        r"\w+",
        """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu
    load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
    register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad
    """,
    )
)
# And of torch.fx.GraphModule, which torch.export makes of the network: a layer of such a name could not be exported.
OF_TRACED = frozenset(
    [
        "add_submodule",
        "code",
        "delete_all_unused_submodules",
        "delete_submodule",
        "graph",
        "print_readable",
        "recompile",
        "to_folder",
    ]
)
REGISTERS = ("x", "y", "z", "u", "v", "w")
LONGEST = 40  # characters of a text that becomes a name, so that one always fits on a line
OF_SOURCE = frozenset({"torch", "nn", "Path", "Callable", *definitions()})  # taken in the exported file


def attributes(ids: Iterable[str]) -> dict[str, str]:
    """The attribute of the module that holds each node: its id, changed only where Python or torch needs it.

    An id may be a path (``res_1.0.conv_1``), and then the attribute is one (``net.get_submodule``): each part is named
    among its siblings, and numbers, which count the repeats of a block, stay.
    """
    ids = list(ids)
    siblings: dict[str, dict[str, None]] = {}
    for id in ids:
        parts = id.split(".")
        for depth, part in enumerate(parts):
            siblings.setdefault(".".join(parts[:depth]), {})[part] = None
    named = {path: _siblings(list(parts)) for path, parts in siblings.items()}

    def name(id: str) -> str:
        parts = id.split(".")
        return ".".join(named[".".join(parts[:depth])][part] for depth, part in enumerate(parts))

    return {id: name(id) for id in ids}


def _siblings(ids: list[str]) -> dict[str, str]:
    names = {id: id for id in ids if id.isdigit() or attribute(id) == id}
    for id in ids:
        if id not in names:
            name = attribute(id)
            while name in names.values():
                name += "_"
            names[id] = name
    return names


def attribute(id: str) -> str:
    """A public identifier like ``id``: Python would mangle two leading underscores, torch uses one for its own."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", id)
    name = name if name[:1].isalpha() else f"layer_{name.lstrip('_')}"
    return f"{name}_" if keyword.iskeyword(name) or name in OF_MODULE | OF_TRACED else name


def class_name(title: str) -> str:
    """``"LeNet-5"`` → ``"LeNet5"``; never a keyword nor a name that the exported file uses otherwise."""
    words = re.findall(r"[A-Za-z0-9]+", ascii_text(title))
    name = "".join(w[0].upper() + w[1:] for w in words)[:64]
    name = name if name[:1].isalpha() else f"Net{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in OF_SOURCE else name


def register(i: int) -> str:
    """What ``forward`` calls its ``i``-th register."""
    return REGISTERS[i] if i < len(REGISTERS) else f"x{i}"


def argument(text: str, taken: Collection[str]) -> str:
    """``"Written so far"`` → ``"written_so_far"``; "" where that is no name, or one that is used otherwise."""
    name = re.sub(r"\W+", "_", ascii_text(text)).strip("_").lower()
    used = name in REGISTERS or re.fullmatch(r"x\d+|self|block|_.*", name) or hasattr(builtins, name)
    free = not used and name not in OF_SOURCE and name not in taken and not keyword.iskeyword(name)
    return name if free and name.isidentifier() and len(name) <= LONGEST else ""


def ascii_text(text: str) -> str:
    """One line of printable ASCII, accents dropped."""
    plain = unicodedata.normalize("NFKD", re.sub("[\u2010-\u2015]", "-", text))
    return " ".join("".join(c if " " <= c <= "~" else " " if c.isspace() else "" for c in plain).split())


def comment(label: str) -> str:
    """``label`` as the text of a comment that no tool takes for an order (``fmt: off``)."""
    return re.sub(r"^\W*(\w+)\s*:", r"\1 -", ascii_text(label))[:72].strip()
