"""Following a run: the history in few points, then only what is new."""

from __future__ import annotations

import pytest

from engine.config import DataRef, TrainConfig
from engine.events import Event
from engine.log import Log
from engine.store import RunFolder
from engine.tail import RECENT, Tail
from tests.engine.test_store import NET


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path, NET, TrainConfig(DataRef("circle")))


def point(step: int, loss: float = 0.0) -> Event:
    return Event("point", step, {"train_loss": loss, "val_loss": None})


def test_the_snapshot_keeps_every_fact_thins_points_and_shows_the_newest_pictures(run):
    facts = [Event(k, 0, {}) for k in ("started", "state", "knob", "checkpoint", "diagnostic")]
    run.log.append([*facts, *(point(s, 99.0 if s == 123 else 1.0 / s) for s in range(1, 5001))])
    run.log.append([Event("hist", s, {"s": s}) for s in range(3)] + [Event("boundary", 9, {})])
    found = Tail(run, limit=100).snapshot()
    kinds = [r.kind for r in found]
    points = [r for r in found if r.kind == "point"]
    assert kinds[:5] == ["started", "state", "knob", "checkpoint", "diagnostic"]
    assert kinds[-2:] == ["hist", "boundary"]
    assert found[-2].body == {"s": 2}
    assert len(points) <= 100
    assert {1, 123, 5000} <= {p.step for p in points}
    assert [r.id for r in found] == sorted(r.id for r in found)


def test_snapshot_and_then_news_gives_each_record_once(run):
    tail = Tail(run)
    run.log.append([point(s) for s in range(1, 21)])
    seen = [r.id for r in tail.snapshot()]
    for step in range(21, 60, 3):
        run.log.append([point(step), point(step + 1), Event("hist", step, {"step": step}), point(step + 2)])
        news = tail.news(seen[-1])
        assert [r.step for r in news if r.kind == "point"] == [step, step + 1, step + 2]
        seen += [r.id for r in news]
        assert tail.news(seen[-1]) == []
    assert seen == sorted(set(seen))


def test_a_reader_that_comes_late_gets_only_the_newest_picture(run):
    tail = Tail(run)
    run.log.append([point(1)])
    after = tail.snapshot()[-1].id
    for step in range(5):
        run.log.append([Event("hist", step, {"step": step})])
        tail.news(10**9)
    assert [(r.kind, r.step) for r in tail.news(after)] == [("hist", 4)]


def test_a_reader_that_is_far_behind_gets_the_thinned_history_instead_of_a_backlog(run):
    tail = Tail(run, limit=50)
    run.log.append([point(1)])
    after = tail.snapshot()[-1].id
    for step in range(2, 4 * RECENT):
        run.log.append([point(step)]) if step % 500 == 0 else None
    run.log.append([point(s) for s in range(4 * RECENT, 8 * RECENT)])
    news = tail.news(after)
    assert len(news) <= 50
    assert all(r.id > after for r in news)
    assert news[-1].step == 8 * RECENT - 1


def test_what_a_continued_run_does_again_is_shown_once(run):
    run.log.append([point(s) for s in range(1, 101)] + [Event("state", 100, {"state": "failed"})])
    run.log.append([Event("started", 60, {"resumed_from": 60})] + [point(s) for s in range(61, 90)])
    steps = [r.step for r in Tail(run).snapshot() if r.kind == "point"]
    assert steps == list(range(1, 90))
    assert len([r for r in run.log.after(0, 10_000) if r.kind == "point"]) == 129


def test_asking_when_nothing_is_new_reads_no_records(run, monkeypatch):
    run.log.append([point(s) for s in range(1, 201)])
    tail = Tail(run)
    after = tail.snapshot()[-1].id
    assert tail.news(after) == []
    monkeypatch.setattr(Log, "after", lambda *_: pytest.fail("read though nothing had changed"))
    assert tail.news(after) == []


def test_an_hour_of_ten_points_a_second_is_kept_small(run):
    body = dict.fromkeys(("train_loss", "val_loss", "batch_loss", "train_metric", "val_metric", "gap"), 0.123456)
    for start in range(0, 36_000, 6000):
        run.log.append([Event("point", s, body) for s in range(start, start + 6000)])
    tail = Tail(run)
    found = tail.snapshot()
    assert len(found) <= 1000
    assert sum(len(h.records) for h in tail._history.values()) <= 3000


def test_a_dragged_knob_is_one_fact_from_where_it_stood_to_where_it_was_left(run):
    def turn(name, old, new):
        return Event("knob", 7, {"name": name, "old": old, "new": new})

    run.log.append(
        [turn("lr", k / 100, (k + 1) / 100) for k in range(50)] + [turn("l2", 0.0, 0.1), turn("lr", 0.5, 0.6)]
    )
    turns = [r.body for r in Tail(run).snapshot() if r.kind == "knob"]
    assert [(t["name"], t["old"], t["new"]) for t in turns] == [("lr", 0.0, 0.5), ("l2", 0.0, 0.1), ("lr", 0.5, 0.6)]
