"""A link rebuilds what was shared, to the last setting; a hostile one is refused with the reason."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder import document, templates
from builder.diagnostic import Refused
from builder.graph import Graph, Node
from engine.config import SETTINGS, DataRef, TrainConfig
from engine.data import DATASETS
from engine.knobs import KNOBS
from engine.share import MAX_LINK, Shared, config_from_json, decode, dumps, encode, loads, to_json

GRAPH = templates.load("lenet5")
CONFIG = TrainConfig(
    DataRef("spiral", {"noise": 0.2}),
    loss="mse",
    optimizer="nesterov",
    schedule="cosine",
    steps=123,
    seed=42,
    device="cpu",
    early_stopping=True,
    patience=7,
    max_seconds=60,
    knobs={"lr": 0.5, "dropout:dropout_1": 0.25},
)
SHARED = Shared(GRAPH, CONFIG)


def packed(body: Any) -> str:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return base64.urlsafe_b64encode(zlib.compress(text)).decode().rstrip("=")


def changed(**config: Any) -> dict[str, Any]:
    body = to_json(SHARED)
    return {**body, "config": {**body["config"], **config}}


@pytest.mark.parametrize("template", templates.TEMPLATES, ids=lambda t: t.name)
def test_every_template_fits_a_link_and_comes_back_whole(template: templates.Template) -> None:
    shared = Shared(templates.load(template.name), TrainConfig(DataRef(template.dataset)))
    assert len(encode(shared)) < MAX_LINK / 2
    assert decode(encode(shared)) == shared


def test_a_link_brings_back_every_setting_and_the_seed() -> None:
    plain = TrainConfig(CONFIG.data)
    assert all(getattr(CONFIG, p.name) != getattr(plain, p.name) for p in SETTINGS)  # none is left out of this test
    assert decode(encode(SHARED)) == SHARED


def test_a_file_brings_back_the_same_and_reads_well() -> None:
    text = dumps(SHARED)
    assert loads(text) == SHARED
    assert max(map(len, text.splitlines())) < 400
    assert loads(document.dumps(GRAPH)) == GRAPH


def test_a_link_holds_only_letters_that_an_address_may_hold() -> None:
    assert set(encode(SHARED)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_defaults_are_not_written_so_that_links_stay_short() -> None:
    assert to_json(Shared(GRAPH, TrainConfig(DataRef("mnist"))))["config"] == {"data": {"name": "mnist"}}


def test_a_large_network_makes_a_link_that_is_too_long_and_a_file_that_is_not() -> None:
    labels = [base64.b85encode(bytes([i % 251, i // 251] * 20 + [i * 7 % 256] * 9)).decode() for i in range(400)]
    shared = Shared(Graph(tuple(Node(f"relu_{i}", "ReLU", label=t) for i, t in enumerate(labels))), CONFIG)
    link = encode(shared)
    assert len(link) > MAX_LINK
    with pytest.raises(Refused, match="at most 8,000 are read"):
        decode(link)
    assert loads(dumps(shared)) == shared


HOSTILE = {
    "nothing": ("", "damaged"),
    "no base64": ("%%%%", "damaged"),
    "no zlib": ("AAAA", "damaged"),
    "cut off": (encode(SHARED)[:-40], "damaged"),
    "something appended": (
        base64.urlsafe_b64encode(zlib.compress(b"{}") + b"more").decode().rstrip("="), "damaged",
    ),
    "a bomb": (packed(b" " * 5_000_000), "2,000,000 bytes"),
    "a wide bomb": (packed(b"[" + b"0," * 2_000_000 + b"0]"), "2,000,000 bytes"),
    "a deep bomb": (packed(b"[" * 100_000), "nested too deeply"),
    "no text": (packed(b"\xff\xfe"), "not text"),
    "no object": (packed([]), "does not hold a shared network"),
    "another format": (packed({"format": "layerloom", "version": 1}), "does not hold a shared network"),
    "another version": (packed({**to_json(SHARED), "version": 9}), "format 9"),
    "an unknown key": (packed({**to_json(SHARED), "run": "rm -rf"}), "'run'"),
    "no network": (packed({**to_json(SHARED), "network": None}), "object"),
    "no settings": (packed({**to_json(SHARED), "config": 3}), "settings must be an object"),
    "an unknown setting": (packed(changed(sed=3)), "'sed'"),
    "an unknown data set": (packed(changed(data={"name": "../../etc/passwd"})), "no data set"),
    "data that is no name": (packed(changed(data={"name": ["spiral"]})), "data must be a name"),
    "data with more": (packed(changed(data={"name": "spiral", "path": "/"})), "data must be a name"),
    "options that are none": (packed(changed(data={"name": "spiral", "options": [1]})), "must be an object"),
    "an unknown option": (packed(changed(data={"name": "spiral", "options": {"x": 1}})), "'x'"),
    "an option out of range": (packed(changed(data={"name": "spiral", "options": {"noise": 1e9}})), "it is 1e"),
    "a column that is no text": (packed(changed(data={"name": "csv", "options": {"target": {}}})), "target must be"),
    "a setting out of range": (packed(changed(steps=0)), "Steps must be"),
    "a setting of the wrong type": (packed(changed(optimizer={"__class__": 1})), "Optimizer must be"),
    "a seed with too many digits": (packed(changed(seed=10**30)), "digits"),
    "knobs that are none": (packed(changed(knobs=[1])), "knobs must be"),
    "too many knobs": (packed(changed(knobs={f"dropout:d{i}": 0.1 for i in range(600)})), "knobs must be"),
    "an unknown knob": (packed(changed(knobs={"volume": 11})), "'volume'"),
    "a knob out of range": (packed(changed(knobs={"lr": -1})), "Learning rate must be"),
    "not a number": (packed(json.dumps(changed(knobs={"lr": float("nan")})).encode()), "NaN"),
}  # fmt: skip


@pytest.mark.parametrize(("link", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_link_is_refused_with_the_reason(link: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        decode(link)
    assert all(len(d.text) < 600 for d in refused.value.diagnostics)
    assert len(refused.value.diagnostics) <= 20


def test_a_bomb_is_not_unpacked_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    monkeypatch.setattr(document, "parse", lambda text: parsed.append(len(text)))
    with pytest.raises(Refused):
        decode(packed(b" " * 5_000_000))
    assert parsed == []


@settings(max_examples=150)
@given(st.text(max_size=60) | st.binary(max_size=80).map(packed) | st.binary(max_size=60).map(
    lambda b: base64.urlsafe_b64encode(b).decode()
))  # fmt: skip
@example("é")
@example("A")
def test_any_text_is_refused_or_read_and_never_fails(link: str) -> None:
    with contextlib.suppress(Refused):
        decode(link)


configs = st.builds(
    TrainConfig,
    st.sampled_from([DataRef(d.name) for d in DATASETS] + [DataRef("csv", {"target": "preço"})]),
    optimizer=st.sampled_from(next(p.choices for p in SETTINGS if p.name == "optimizer")),
    steps=st.integers(1, 10_000_000),
    seed=st.integers(0, 2**31 - 1),
    early_stopping=st.booleans(),
    knobs=st.dictionaries(st.sampled_from([k.name for k in KNOBS if k.kind == "float"]), st.floats(1e-6, 0.5)),
)


@given(configs)
def test_any_settings_survive_the_way(config: TrainConfig) -> None:
    assert decode(encode(Shared(GRAPH, config))).config == config


def test_positions_are_rounded_to_pixels() -> None:
    moved = GRAPH.move("conv2d_1", (10.4, -3.6))
    assert decode(encode(replace(SHARED, graph=moved))).graph.by_id["conv2d_1"].position == (10.0, -4.0)


def test_a_whole_number_that_came_as_a_fraction_is_taken() -> None:
    assert config_from_json({"data": {"name": "iris"}, "steps": 50.0}).steps == 50
