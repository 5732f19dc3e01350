"""Going back, going on from there, doing it again: to the bit the same, in every lane."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from safetensors import SafetensorError
from safetensors.torch import save_file

from builder import templates
from builder.diagnostic import Refused
from engine import account, kept
from engine.ahead import turns_ahead
from engine.checkpoint import Checkpoint, fingerprint
from engine.config import DataRef, TrainConfig
from engine.control import Inbox
from engine.events import Event
from engine.fork import fork
from engine.keeper import Keeper
from engine.lanes.native import build
from engine.origin import Turn
from engine.replay import replay, verdict
from engine.store import RunFolder
from engine.timeline import segments
from engine.worker import Worker, work
from tests.engine.drawn import CNN
from tests.engine.running import all_of, make, states

LANES = ["eager", *(["auto"] if build.compiler() else [])]


@pytest.fixture(params=LANES)
def lane(request, monkeypatch):
    """Workers use this lane; "auto" is the compiled one, ready from the first step."""
    if request.param == "auto":
        build.made()
    else:
        monkeypatch.setattr("engine.lanes.choice._fastest", lambda training: pytest.fail("asked for eager"))
        monkeypatch.setattr("engine.worker.WANTED", "eager")
    return request.param


def at_steps(monkeypatch, *commands):
    """Sends each of ``commands`` (step, command) right after that step."""
    ahead = list(commands)
    obey = Worker._obey

    def told(worker):
        while ahead and worker.training.step >= ahead[0][0]:
            worker.inbox.put(ahead.pop(0)[1])
        obey(worker)

    monkeypatch.setattr(Worker, "_obey", told)
    monkeypatch.setattr("engine.worker.STRIDE_SECONDS", 0.0)  # one batch at a time, so that none of these is missed


def turn(step, name, value):
    return step, {"do": "set", "name": name, "value": value}


def keep_at(monkeypatch, *at):
    """Moments are kept at these steps besides those that are always kept: there is no clock in a test."""

    def pass_by(keeper, _now):
        if keeper.training.step in at:
            keeper.keep()

    monkeypatch.setattr(Keeper, "pass_by", pass_by)
    monkeypatch.setattr("engine.worker.STRIDE_SECONDS", 0.0)  # one batch at a time, so that none of these is missed


def hash_of(run: RunFolder) -> str:
    return fingerprint(Checkpoint.load(run.path, "last").weights)


def trained(home, steps=200, end="finished", **settings) -> RunFolder:
    run = make(home, steps=steps, **settings)
    assert work(run, Inbox()) == end
    return run


def test_a_fork_that_changes_nothing_ends_with_the_same_weights_to_the_bit(lane, tmp_path, monkeypatch):
    keep_at(monkeypatch, 70, 120)
    run = trained(tmp_path, knobs={"input_noise": 0.1})
    other = fork(tmp_path, run, 70)
    work(other, Inbox())
    assert all_of(other, "started")[0].body["resumed_from"] == 70
    assert all_of(other, "started")[0].body["lane"] == ("native" if lane == "auto" else "eager")
    assert hash_of(other) == hash_of(run)


def test_every_kept_moment_leads_to_the_same_end(tmp_path, monkeypatch):
    keep_at(monkeypatch, 33, 90, 150)
    run = trained(tmp_path, schedule="cosine", early_stopping=True, patience=100)
    assert kept.steps(run) == [0, 33, 90, 150, 200]
    for step in kept.steps(run)[:-1]:
        other = fork(tmp_path, run, step)
        work(other, Inbox())
        assert hash_of(other) == hash_of(run), step


def test_copies_go_back_and_are_repeated_together(lane, tmp_path, monkeypatch):
    keep_at(monkeypatch, 30)
    run = trained(tmp_path, steps=80, copies=3, vary={"lr": [0.01, 0.02, 0.03]})
    other = fork(tmp_path, run, 30)
    work(other, Inbox())
    ends = [c.body["sha256"] for r in (run, other) for c in all_of(r, "checkpoint") if c.body["which"] == "last"]
    assert ends[-1] == ends[0]
    assert verdict(account.of_run(other), replay(account.of_run(other)))[0]


@pytest.mark.parametrize("name", ["siamese", "lstm", "transformer", "vae"])
def test_templates_go_back_and_are_repeated_to_the_bit(name, tmp_path, monkeypatch):
    """Dropout, masks, several inputs, sequences, noise within a layer: whatever a network draws, it draws again."""
    keep_at(monkeypatch, 3)
    template = next(t for t in templates.TEMPLATES if t.name == name)
    settings = {"steps": 6} | {k: v for k, v in template.settings.items() if k != "steps"}
    config = TrainConfig(DataRef(template.dataset), knobs={"batch_size": 4, "input_noise": 0.1}, **settings)
    run = RunFolder.create(tmp_path, templates.load(name), config)
    assert work(run, Inbox()) == "finished"
    other = fork(tmp_path, run, 3)
    work(other, Inbox())
    assert hash_of(other) == hash_of(run)
    assert verdict(account.of_run(other), replay(account.of_run(other)))[0]


def test_a_network_with_batch_norm_goes_back_too(tmp_path, monkeypatch):
    keep_at(monkeypatch, 6)
    config = replace(
        make(tmp_path).config, data=replace(make(tmp_path).config.data, name="digits", options={}), steps=12
    )
    run = RunFolder.create(tmp_path, CNN, config)
    work(run, Inbox())
    other = fork(tmp_path, run, 6)
    work(other, Inbox())
    assert hash_of(other) == hash_of(run)


def test_a_fork_repeats_later_turns_but_those_that_it_changes(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50)
    at_steps(monkeypatch, turn(80, "lr", 0.5), turn(90, "l2", 0.01))
    run = trained(tmp_path)
    same = fork(tmp_path, run, 50)
    other = fork(tmp_path, run, 50, {"lr": 0.02})
    assert same.origin.turns == (Turn(80, "lr", 0.5), Turn(90, "l2", 0.01))
    assert other.origin.turns == (Turn(50, "lr", 0.02), Turn(90, "l2", 0.01))
    for each in (same, other):
        work(each, Inbox())
    assert hash_of(same) == hash_of(run)
    assert hash_of(other) != hash_of(run)
    assert [(r.step, r.body["name"], r.body["new"]) for r in all_of(other, "knob")] == [
        (50, "lr", 0.02),
        (90, "l2", 0.01),
    ]


def test_a_fork_has_the_breakpoints_that_hold_in_its_parent_now(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50)
    run = make(tmp_path, steps=100, breakpoints=("step=70",))
    at_steps(monkeypatch, (50, {"do": "break", "when": ["step=80", "gap>9"]}), (60, {"do": "stop"}))
    work(run, Inbox())
    assert fork(tmp_path, run, 50).config.breakpoints == ("step=80", "gap>9")
    form = replace(run.config, breakpoints=(), optimizer="sgd")
    other = fork(tmp_path, run, 50, config=form)
    assert other.config.breakpoints == ()
    assert other.meta.title.startswith("From step 50: optimizer sgd · ")


def test_a_knob_that_a_fork_leaves_as_it_was_is_not_turned_later_either(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50)
    at_steps(monkeypatch, turn(80, "lr", 0.5), turn(90, "dropout", 0.5))
    run = trained(tmp_path)
    other = fork(tmp_path, run, 50, {"lr": 0.01, "dropout:dropout_1": 0.1})
    assert other.origin.turns == (Turn(50, "dropout:dropout_1", 0.1),)


def test_the_moment_before_a_knob_was_turned_is_kept(tmp_path, monkeypatch):
    keep_at(monkeypatch)
    at_steps(monkeypatch, turn(40, "lr", 0.5))
    run = trained(tmp_path, steps=100)
    assert kept.steps(run) == [0, 40, 100]
    assert kept.about(run, 40)["knobs"]["lr"] == 0.01
    assert all_of(run, "kept")[-1].body == {"steps": [0, 40, 100], "turned": [40]}


def test_a_knob_turned_in_a_pause_marks_the_moment_and_a_continued_run_keeps_the_mark(tmp_path, monkeypatch):
    keep_at(monkeypatch, 20)
    at_steps(monkeypatch, (40, {"do": "pause"}), turn(40, "lr", 0.5), (40, {"do": "stop"}))
    run = trained(tmp_path, steps=100, end="stopped")
    assert kept.about(run, 40)["turned"]
    assert kept.about(run, 40)["knobs"]["lr"] == 0.01
    work(run, Inbox(), resume=True)
    assert all_of(run, "kept")[-1].body == {"steps": [0, 20, 40, 100], "turned": [40]}


def test_moments_that_lie_ahead_of_where_a_run_goes_on_are_gone_at_once(tmp_path, monkeypatch):
    keep_at(monkeypatch, 30, 60, 80)
    run = trained(tmp_path, steps=100)
    Checkpoint.load(kept.folder(run), "30").save(run.path, "last")  # as if killed before the next checkpoint
    keep_at(monkeypatch)
    at_steps(monkeypatch, turn(40, "lr", 0.5), (70, {"do": "stop"}))
    work(run, Inbox(), resume=True)
    assert kept.steps(run) == [0, 30, 40, 70]  # 60 was of another training


@pytest.mark.parametrize(("place", "end"), [("kept", "finished"), ("last", "failed")])
def test_a_full_disk_costs_moments_or_ends_the_run_in_words_and_leaves_no_half_files(place, end, tmp_path, monkeypatch):
    def save(tensors, path, metadata):
        path.write_bytes(b"half")
        if place in path.parts or path.name.startswith(place):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save_file(tensors, path, metadata)

    keep_at(monkeypatch)
    monkeypatch.setattr("engine.checkpoint.save_file", save)
    run = trained(tmp_path, steps=50, end=end)
    assert kept.steps(run) == ([] if place == "kept" else [0])
    assert not list(run.path.rglob("*.part"))
    if place == "last":
        assert all_of(run, "state")[-1].body["reason"].startswith("The disk is full: ")


def test_a_fork_of_a_fork_knows_its_whole_past_and_can_be_repeated(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50, 120)
    run = trained(tmp_path)
    one = fork(tmp_path, run, 50, {"lr": 0.05})
    work(one, Inbox())
    two = fork(tmp_path, one, 120, {"dropout": 0.5})
    work(two, Inbox())
    assert [(s.until, [t.step for t in s.turns]) for s in segments(two)] == [(50, []), (120, [50]), (200, [120])]
    played = replay(account.of_run(two))
    assert fingerprint(played.weights) == hash_of(two)
    assert verdict(account.of_run(two), played)[0]


def test_a_fork_of_a_fork_that_has_not_come_to_its_turns_yet_makes_them_all_the_same(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50, 70)
    at_steps(monkeypatch, turn(120, "lr", 0.3), turn(120, "speed", 9000))
    run = trained(tmp_path)
    one = fork(tmp_path, run, 50)
    at_steps(monkeypatch, (90, {"do": "stop"}))
    assert work(one, Inbox()) == "stopped"
    two = fork(tmp_path, one, 70)
    assert two.origin.turns == (Turn(120, "lr", 0.3),)
    work(two, Inbox())
    assert hash_of(two) == hash_of(run)


def test_of_what_was_turned_before_a_loss_nothing_comes_back_that_was_turned_otherwise_since(tmp_path):
    run = make(tmp_path)
    turned = [(80, "lr", 0.3), (90, "l2", 0.1), (60, "lr", 0.2), (90, "l2", 0.0), (90, "l2", 0.1)]
    run.log.append(Event("knob", step, {"name": name, "old": 0, "new": new}) for step, name, new in turned)
    assert turns_ahead(run, 50) == [Turn(60, "lr", 0.2), Turn(90, "l2", 0.1)]
    run.log.append([Event("knob", 60, {"name": "lr", "old": 0, "new": 0.2})])  # by itself, after another loss
    assert turns_ahead(run, 50) == [Turn(60, "lr", 0.2), Turn(90, "l2", 0.1)]


def test_other_settings_can_be_tried_from_a_moment_and_are_repeated_too(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50)
    run = trained(tmp_path)
    other = fork(tmp_path, run, 50, config=replace(run.config, optimizer="sgd", schedule="cosine", steps=150))
    work(other, Inbox())
    assert other.step == 150
    assert other.meta.title.startswith("From step 50: optimizer sgd, schedule cosine · ")
    assert fingerprint(replay(account.of_run(other)).weights) == hash_of(other)


def test_a_run_is_repeated_from_its_document_to_the_bit(lane, tmp_path, monkeypatch):
    turns = turn(20, "lr", 0.1), turn(20, "dropout", 0.3), turn(60, "batch_size", 7), turn(60, "speed", 9000)
    at_steps(monkeypatch, *turns, (90, {"do": "pause"}), (90, {"do": "resume"}))
    run = trained(tmp_path, steps=300, knobs={"l1": 1e-4})
    text = account.of_run(run).dumps()
    read = account.loads(text)
    assert read.dumps() == text
    assert read.sha256 == hash_of(run)
    assert [t.name for t in read.segments[0].turns] == ["lr", "dropout", "batch_size"]
    same, words = verdict(read, replay(read))
    assert same
    assert words.startswith("The same to the bit after 300 steps: the SHA-256 of all weights is ")


def test_a_run_that_went_on_beyond_its_end_is_repeated_with_its_later_horizon(tmp_path):
    run = trained(tmp_path, steps=80, schedule="cosine")
    work(run, Inbox(), resume=True)
    assert [(s.until, s.config.steps) for s in segments(run)] == [(80, 80), (160, 160)]
    assert fingerprint(replay(account.of_run(run)).weights) == hash_of(run)


def test_a_knob_turned_right_before_a_run_was_stopped_is_turned_in_its_repetition_too(tmp_path, monkeypatch):
    at_steps(monkeypatch, turn(40, "lr", 0.3), (40, {"do": "stop"}))
    run = trained(tmp_path, steps=80, end="stopped")
    work(run, Inbox(), resume=True)
    assert verdict(account.of_run(run), replay(account.of_run(run)))[0]


def test_what_a_lost_worker_did_again_counts_once(tmp_path, monkeypatch):
    keep_at(monkeypatch, 30)
    at_steps(monkeypatch, turn(60, "lr", 0.3))
    run = trained(tmp_path, steps=100)
    end = hash_of(run)
    Checkpoint.load(kept.folder(run), "30").save(run.path, "last")  # as if killed before the next checkpoint
    work(run, Inbox(), resume=True)
    assert hash_of(run) == end
    assert [t.step for s in segments(run) for t in s.turns] == [60]
    assert fingerprint(replay(account.of_run(run)).weights) == end


def test_a_change_of_lane_is_repeated_at_its_step(tmp_path, monkeypatch):
    if not build.compiler():
        pytest.skip("needs a C compiler")
    library = build.made()
    asked, compiling = iter([None, library]), iter([True, True, True, False])
    monkeypatch.setattr(build, "library", lambda: next(asked))
    monkeypatch.setattr(build, "_going", {})
    monkeypatch.setattr(build.Build, "running", property(lambda self: next(compiling)))
    run = trained(tmp_path, steps=100)
    monkeypatch.undo()
    assert [r.body["lane"] for r in all_of(run, "lane")] == ["native"]
    assert [(s.lane, s.until) for s in segments(run)] == [("eager", 3), ("native", 100)]
    assert fingerprint(replay(account.of_run(run)).weights) == hash_of(run)


def test_other_weights_are_told_apart(tmp_path):
    run = trained(tmp_path, steps=20)
    found = account.of_run(run)
    same, words = verdict(found, replay(replace(found, segments=(replace(found.segments[0], until=19),))))
    assert not same
    assert "Different after 19 steps" in words


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b.update(format="x"),
        lambda b: b.pop("segments"),
        lambda b: b["segments"][0].update(until=-1),
        lambda b: b["config"].update(steps="many"),
        lambda b: b.update(network=[]),
    ],
)
def test_a_damaged_document_is_refused(spoil, tmp_path):
    body = json.loads(account.of_run(trained(tmp_path, steps=5)).dumps())
    spoil(body)
    with pytest.raises(Refused):
        account.loads(json.dumps(body))


@pytest.mark.parametrize(
    ("step", "knobs", "code"),
    [(7, {}, "run/not-kept"), (-1, {}, "run/not-kept"), (0, {"lr": 99}, "param/"), (0, {"nose": 1}, "knob/unknown")],
)
def test_what_cannot_be_forked_is_refused(step, knobs, code, tmp_path, monkeypatch):
    keep_at(monkeypatch)
    run = trained(tmp_path, steps=20)
    with pytest.raises(Refused) as refused:
        fork(tmp_path, run, step, knobs)
    assert refused.value.diagnostics[0].code.startswith(code)


def test_a_moment_that_is_gone_names_its_neighbours(tmp_path, monkeypatch):
    keep_at(monkeypatch)
    run = trained(tmp_path, steps=20)
    with pytest.raises(Refused, match=r"^Step 7 of this run is not kept\. Go back to step 0 or 20\.$"):
        fork(tmp_path, run, 7)


def test_a_moment_that_is_thinned_out_while_one_goes_back_to_it_is_told_as_gone(tmp_path, monkeypatch):
    keep_at(monkeypatch, 7)
    run = trained(tmp_path, steps=20)
    monkeypatch.setattr("engine.fork.turns_ahead", lambda *_: kept.checkpoint(run, 7).unlink() or [])
    with pytest.raises(Refused, match=r"^Step 7 of this run is not kept\."):
        fork(tmp_path, run, 7)


def test_a_fork_needs_nothing_of_its_parent(tmp_path, monkeypatch):
    keep_at(monkeypatch, 50)
    run = trained(tmp_path)
    other = fork(tmp_path, run, 50)
    end = hash_of(run)
    for path in sorted(run.path.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    work(other, Inbox())
    assert hash_of(other) == end
    assert states(other) == ["running", "finished"]
