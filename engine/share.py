"""A network with its data, settings, knobs and seed, as text: short enough for a link, or as a file.

A link comes from anywhere, so it is read with distrust: its length, what it unpacks to and every name and value in
it are checked before anything is done.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from builder import document
from builder.diagnostic import Diagnostic, Refused, suggest
from builder.graph import Graph
from builder.params import shown
from engine.config import SETTINGS, DataRef, TrainConfig
from engine.data import BY_NAME, check_options
from engine.knobs import KNOBS, knob

FORMAT, VERSION = "layerloom-share", 1
MAX_LINK = 8_000  # characters: browsers, mail programs and servers pass on an address of this length
MAX_TEXT = 200  # characters of a column name
MAX_KNOBS, MAX_KNOB = 500, 80  # how many, and characters of a name
ASK = "Ask for the link again, or for the network as a file."


@dataclass(frozen=True)
class Shared:
    """What a link rebuilds."""

    graph: Graph
    config: TrainConfig


def encode(shared: Shared) -> str:
    """``shared`` in letters that an address may hold; longer than MAX_LINK where it should go as a file instead."""
    text = json.dumps(to_json(shared), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def decode(link: str) -> Shared:
    """What ``encode`` wrote. Raises Refused with the reason."""
    if len(link) > MAX_LINK:
        raise _refused("too-long", f"The link has {len(link):,} characters; at most {MAX_LINK:,} are read.", ASK)
    try:
        packed = base64.b64decode(link + "=" * (-len(link) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, document.MAX_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        raise _refused("damaged", "The link is damaged: a part of it is missing or was changed.", ASK) from None
    if unpacker.unconsumed_tail:
        what = f"The link unpacks to more than {document.MAX_BYTES:,} bytes, which no network needs."
        raise _refused("too-large", what, ASK)
    if not unpacker.eof or unpacker.unused_data:
        raise _refused("damaged", "The link is damaged: a part of it is missing or was changed.", ASK)
    return from_json(document.parse(text))


def dumps(shared: Shared) -> str:
    """``shared`` as a file, one line per layer."""
    body = to_json(shared)
    network = document.dumps(shared.graph).rstrip().replace("\n", "\n  ")
    config = json.dumps(body["config"], ensure_ascii=False, allow_nan=False)
    head = f'  "format": "{FORMAT}",\n  "version": {VERSION},\n'
    return f'{{\n{head}  "network": {network},\n  "config": {config}\n}}\n'


def loads(text: str | bytes) -> Shared | Graph:
    """What a file holds: a drawing with its settings (``dumps``), or a drawing alone (document.py). Raises Refused."""
    body = document.parse(text)
    if isinstance(body, dict) and body.get("format") == FORMAT:
        return from_json(body)
    return document.from_json(body)


def to_json(shared: Shared) -> dict[str, Any]:
    network = document.to_json(shared.graph)
    for node in network["nodes"]:
        node["position"] = [round(x) for x in node["position"]]  # as the canvas reports them; half the length
    return {"format": FORMAT, "version": VERSION, "network": network, "config": config_to_json(shared.config)}


def from_json(body: Any) -> Shared:
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _refused("wrong-format", "This does not hold a shared network.", ASK)
    if (version := body.get("version")) != VERSION or isinstance(version, bool):
        what = f"The link has format {shown(version)}; this Layerloom reads {VERSION}."
        raise _refused("wrong-version", what, "Update Layerloom, or ask for the link again.")
    if extra := sorted(map(str, body.keys() - {"format", "version", "network", "config"})):
        raise _refused("unknown-key", f"There is no key {shown(extra[0])} in a shared network.", ASK)
    return Shared(document.from_json(body.get("network")), config_from_json(body.get("config")))


def config_to_json(config: TrainConfig) -> dict[str, Any]:
    """Only what is not at its default, so that a link stays short; the data set always."""
    plain = TrainConfig(config.data).to_json()
    differs = {name: value for name, value in config.to_json().items() if value != plain[name]}
    options = {"options": dict(config.data.options)} if config.data.options else {}
    return {"data": {"name": config.data.name, **options}} | differs


def config_from_json(body: Any) -> TrainConfig:
    """The settings in ``body``. Raises Refused with every unknown name and unacceptable value."""
    if not isinstance(body, dict):
        raise _refused("settings", f"The settings must be an object; they are {shown(body)}.", ASK)
    if problems := [*_unknown(body), *_data(body.get("data")), *_knobs(body.get("knobs", {}))]:
        raise Refused(*problems[:20])
    return TrainConfig.from_json(body | {p.name: p.coerce(body[p.name]) for p in SETTINGS if p.name in body})


def _unknown(body: Mapping[str, Any]) -> Iterator[Diagnostic]:
    known = [f.name for f in fields(TrainConfig)]
    for name in body:
        if name not in known:
            yield Diagnostic("share/unknown-key", f"There is no setting {shown(name)}.", suggest(name, known))


def _data(data: Any) -> Iterator[Diagnostic]:
    if not isinstance(data, dict) or not isinstance(data.get("name"), str) or data.keys() - {"name", "options"}:
        yield Diagnostic("share/data", f"The data must be a name with options; it is {shown(data)}.", ASK)
        return
    spec, options = BY_NAME.get(data["name"]), data.get("options", {})
    if spec is None:
        yield Diagnostic("data/unknown", f"There is no data set {shown(data['name'])}.", suggest(data["name"], BY_NAME))
    elif not isinstance(options, dict):
        yield Diagnostic("share/data", f"The options of the data must be an object; they are {shown(options)}.", ASK)
    else:
        yield from check_options(spec, DataRef(spec.name, options))
        for name in spec.text_options:
            word = options.get(name, "")
            if not isinstance(word, str) or len(word) > MAX_TEXT or not word.isprintable():
                what = f"{name} must be one line of at most {MAX_TEXT} characters; it is {shown(word)}."
                yield Diagnostic("share/data", what, ASK)


def _knobs(knobs: Any) -> Iterator[Diagnostic]:
    if not isinstance(knobs, dict) or len(knobs) > MAX_KNOBS:
        yield Diagnostic("share/knobs", f"The knobs must be an object of at most {MAX_KNOBS:,} entries.", ASK)
        return
    for name, value in knobs.items():
        param = knob(name)
        if param is None or len(name) > MAX_KNOB:
            cure = suggest(name, [k.name for k in KNOBS])
            yield Diagnostic("share/unknown-key", f"There is no knob {shown(name)}.", cure)
        elif problem := param.check(value):
            yield problem


def _refused(problem: str, what: str, cure: str) -> Refused:
    return Refused(Diagnostic(f"share/{problem}", what, cure))
