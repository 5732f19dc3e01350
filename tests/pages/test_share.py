"""Nothing is lost on the pages: reloads, two tabs, versions, and links, good and hostile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from builder import document, templates
from builder.edit import SetParams
from engine.config import DataRef, TrainConfig
from engine.nets import NetFolder
from engine.share import MAX_LINK, Shared, dumps, encode
from pages import hide
from tests.pages.menu import use
from tests.pages.test_pages import button, opened, said, workspace

__all__ = ["workspace"]  # a fixture
NET = "abcdefgh1234"
LENET, SPIRAL = templates.load("lenet5"), templates.load("spiral_mlp")
SHARED = Shared(LENET, TrainConfig(DataRef("digits"), optimizer="sgd", steps=77, seed=5, knobs={"lr": 0.25}))


def at(**query: str) -> Callable[[AppTest], None]:
    return lambda test: test.query_params.update(query)


def labels(test: AppTest) -> set[str]:
    return {b.label for b in test.button} | {str(b.proto.label) for b in test.get("download_button")}


# ---- reloads and crashes


def test_a_reload_finds_the_data_the_settings_and_the_knobs_again() -> None:
    test = opened("train", at(net=NET))
    test.selectbox(key="set.dataset").select("iris").run()
    test.number_input(key="set.steps").set_value(321).run()
    test.session_state.knobs = {"lr": 0.5}
    test.run()
    again = opened("train", at(net=NET))
    assert again.selectbox(key="set.dataset").value == "iris"
    assert again.number_input(key="set.steps").value == 321
    assert again.session_state.knobs == {"lr": 0.5}


def test_a_reload_still_brings_back_the_replaced_networks() -> None:
    test = opened("design", at(net=NET))
    for title in ("LeNet-5", "Logistic regression"):
        use(test, title)
    again = opened("design", at(net=NET))
    button(again, "Edit here instead").click().run()  # in a simulated page, the tab before the reload lives on
    button(again, "Bring back the last network").click().run()
    assert again.session_state.doc.graph == LENET
    button(again, "Bring back the last network").click().run()
    assert again.session_state.doc.graph == SPIRAL


def test_what_was_drawn_after_a_replacement_is_there_again_going_forward() -> None:
    test = opened("design")
    use(test, "LeNet-5")
    test.session_state.doc.command((SetParams("conv2d_1", {"kernel_size": 3}),))
    drawn = test.session_state.doc.graph
    button(test, "Bring back the last network").click().run()
    assert test.session_state.doc.graph == SPIRAL
    button(test, "Forward again").click().run()
    assert test.session_state.doc.graph == drawn


def test_a_broken_drawing_is_told_and_set_aside(workspace: Path) -> None:
    net = NetFolder(workspace, NET)
    net.write(LENET)
    net.file.write_text('{"format": "layer')
    test = opened("design", at(net=NET))
    assert "cannot be read" in said(test)
    assert "Nothing was deleted" in said(test).replace("\\", "")
    assert list(net.file.parent.glob("*.unreadable-*"))


def test_a_full_disk_is_told_and_the_drawing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    test = opened("design", at(net=NET))
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "No space left")))
        use(test, "LeNet-5")
        test.run()
        assert "disk is full" in said(test)
        assert test.session_state.doc.graph == LENET
    test.run()
    assert opened("design", at(net=NET)).session_state.doc.graph == LENET


def test_who_only_looks_leaves_nothing_on_disk(workspace: Path) -> None:
    opened("design")
    assert not (workspace / "nets").exists()


def test_another_address_in_the_same_tab_brings_its_own_drawing_and_settings(workspace: Path) -> None:
    other = NetFolder(workspace, "another_net_1")
    other.write(SPIRAL)
    test = opened("main", at(share=encode(SHARED)))
    shared = NetFolder(workspace, test.session_state.net)
    test.query_params["net"] = "another_net_1"
    test.run()
    assert test.session_state.doc.graph == SPIRAL == other.read()
    assert test.session_state.settings["seed"] == 0
    assert (shared.read(), shared.read_config()) == (LENET, SHARED.config)


# ---- two tabs


def two_tabs() -> tuple[AppTest, AppTest]:
    first = opened("design", at(net=NET))
    use(first, "LeNet-5")
    return first, opened("design", at(net=NET))


def test_the_second_tab_says_who_has_the_lead_and_changes_nothing() -> None:
    first, second = two_tabs()
    assert "being edited in another tab" in said(second)
    assert second.session_state.doc.graph == LENET
    assert "Bring back the last network" not in labels(second)
    assert "Templates" not in labels(second)
    assert "another tab" not in said(first.run())


def test_the_second_tab_takes_over_and_the_first_can_take_it_back() -> None:
    first, second = two_tabs()
    button(second, "Edit here instead").click().run()
    assert "another tab" not in said(second).lower()
    first.run()
    assert "took over this network" in said(first)
    button(first, "Take it back").click().run()
    assert "took over" not in said(first)
    assert "took over this network" in said(second.run())


def test_each_tab_goes_on_from_what_the_other_drew() -> None:
    first, second = two_tabs()
    button(second, "Edit here instead").click().run()
    second.session_state.doc.command((SetParams("conv2d_1", {"kernel_size": 3}),))
    second.run()
    first.run()
    assert first.session_state.doc.graph.by_id["conv2d_1"].params["kernel_size"] == 3
    button(first, "Take it back").click().run()
    assert first.session_state.doc.graph == second.session_state.doc.graph


def test_what_a_tab_drew_without_the_lead_overwrites_nothing_and_is_kept(workspace: Path) -> None:
    first, second = two_tabs()
    button(second, "Edit here instead").click().run()
    second.session_state.doc.command((SetParams("conv2d_1", {"kernel_size": 3}),))
    second.run()
    theirs = second.session_state.doc.graph
    first.session_state.doc.command((SetParams("conv2d_1", {"out_channels": 32}),))
    mine = first.session_state.doc.graph
    first.run()
    assert "kept under Versions" in said(first)
    assert first.session_state.doc.graph == theirs
    net = NetFolder(workspace, NET)
    assert net.read() == theirs
    assert [v.graph for v in net.versions()[0]] == [mine]


def test_a_tab_that_slept_while_another_one_drew_and_left_overwrites_nothing(workspace: Path) -> None:
    first = opened("design", at(net=NET))
    use(first, "LeNet-5")
    net = NetFolder(workspace, NET)
    net.write(SPIRAL)  # by a tab that took over and is gone
    first.session_state.doc.command((SetParams("conv2d_1", {"out_channels": 32}),))
    mine = first.session_state.doc.graph
    first.run()
    assert net.read() == SPIRAL == first.session_state.doc.graph
    assert [v.graph for v in net.versions()[0]] == [mine]


def test_train_offers_no_button_that_changes_the_drawing_to_a_tab_without_the_lead() -> None:
    two_tabs()
    second = opened("train", at(net=NET))
    assert "being edited in another tab" in said(second)
    assert not [b for b in second.button if b.label.startswith("Set ")]


# ---- versions


def versions_page() -> None:
    from pages.versions import VERSIONS

    VERSIONS.body()


def versions_of(net: str) -> AppTest:
    """The dialog alone: a simulated page cannot draw a fragment again without the rest."""
    test = AppTest.from_function(versions_page, default_timeout=30)
    test.query_params["net"] = net
    test.run()
    assert not test.exception
    return test


def keep(test: AppTest, name: str) -> AppTest:
    next(t for t in test.text_input if t.label == "Keep the drawing as").input(name)
    button(test, "Keep this version").click().run()
    return test.run()


def test_a_version_is_kept_compared_opened_and_the_opening_undone(workspace: Path) -> None:
    NetFolder(workspace, NET).write(SPIRAL)
    test = keep(versions_of(NET), "first draft")
    assert "Both are the same network." in said(test)
    test.session_state.doc.load(LENET)
    table = test.run().table[0].value
    assert ("added", "C1 (conv2d\\_1)", "Conv2d") in {tuple(row) for row in table.to_numpy()}
    assert any("16 → 120" in str(row) for row in table.to_numpy())
    button(test, "Open this version").click().run()
    assert test.session_state.doc.graph == SPIRAL
    page = opened("design", at(net=NET))
    button(page, "Edit here instead").click().run()
    button(page, "Bring back the last network").click().run()
    assert page.session_state.doc.graph == LENET


def test_a_version_without_a_name_is_refused_with_the_reason() -> None:
    assert "needs a name" in said(button(versions_of(NET), "Keep this version").click().run())


def test_a_deleted_version_comes_back(workspace: Path) -> None:
    test = keep(versions_of(NET), "first draft")
    button(test, "Delete").click().run()
    assert NetFolder(workspace, NET).versions() == ([], 0)
    button(test, "Undo delete").click().run()
    assert [v.name for v in NetFolder(workspace, NET).versions()[0]] == ["first draft"]


def test_a_tab_without_the_lead_can_keep_a_version_and_open_none() -> None:
    two_tabs()
    test = keep(versions_of(NET), "what they drew")
    assert button(test, "Open this version").disabled


# ---- links


def test_a_link_rebuilds_network_data_settings_knobs_and_seed() -> None:
    test = opened("main", at(share=encode(SHARED)))
    assert test.session_state.doc.graph == LENET
    assert "share" not in test.query_params
    train = opened("train", at(net=test.session_state.net))
    assert train.selectbox(key="set.dataset").value == "digits"
    assert train.selectbox(key="set.optimizer").value == "sgd"
    assert [train.number_input(key=f"set.{n}").value for n in ("steps", "seed")] == [77, 5]
    assert train.session_state.knobs == {"lr": 0.25}


def test_a_link_overwrites_nothing_not_even_the_network_of_its_address(workspace: Path) -> None:
    net = NetFolder(workspace, NET)
    net.write(SPIRAL)
    test = opened("main", at(net=NET, share=encode(SHARED)))
    assert test.session_state.net != NET
    assert net.read() == SPIRAL
    assert NetFolder(workspace, test.session_state.net).read() == LENET


@pytest.mark.parametrize("link", ["%%%", encode(SHARED)[:-9], "A" * (MAX_LINK + 1)])
def test_a_hostile_link_is_told_and_loses_nothing(workspace: Path, link: str) -> None:
    NetFolder(workspace, NET).write(LENET)
    test = opened("main", at(net=NET, share=link))
    assert "link" in said(test)
    assert test.session_state.doc.graph == LENET
    assert "share" not in test.query_params


def test_a_link_for_a_csv_file_says_that_the_file_is_not_in_it() -> None:
    shared = Shared(LENET, TrainConfig(DataRef("csv", {"target": "price"})))
    assert "Choose that file" in said(opened("main", at(share=encode(shared))))


def test_the_dialog_offers_the_link_that_rebuilds_this_network() -> None:
    test = button(opened("design"), "Share").click().run()
    link = next(str(c.value) for c in test.code if "share=" in str(c.value))
    again = opened("main", at(share=link.split("share=")[1]))
    assert again.session_state.doc.graph == SPIRAL


def test_open_reads_a_file_with_settings_and_one_without() -> None:
    test = opened("design")
    upload = test.get("file_uploader")[0]
    upload.set_value(("shared.json", dumps(SHARED).encode(), "application/json")).run()
    assert test.session_state.doc.graph == LENET
    assert test.session_state.settings["seed"] == 5
    assert json.loads(document.dumps(LENET))["format"] == "layerloom"


def test_a_message_outlasts_the_next_drawing_of_the_page_and_goes_with_the_next_network() -> None:
    test = opened("design")
    upload = test.get("file_uploader")[0]
    upload.set_value(("bad.json", b"{", "application/json")).run()
    assert "not JSON" in said(test)
    assert "not JSON" in said(test.run())  # as a report from the canvas draws it again
    use(test, "LeNet-5")
    assert "not JSON" not in said(test)


def test_a_message_is_shown_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    test = opened("main", at(share="%%%"))
    assert "link is damaged" in said(test)
    monkeypatch.setattr("pages.session.STAYS", 0.0)
    assert "link is damaged" not in said(test.run())


# ---- hiding


def test_every_part_that_can_be_hidden_has_a_name_of_its_own_and_a_title() -> None:
    assert all(name and title for name, title in hide.PARTS.items())
    assert len(hide.PARTS) > len(hide.PAGES) + 10


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("save", "Save"),
        ("versions", "Versions"),
        ("share", "Share"),
        ("picture", "Picture"),
        ("templates", "Templates"),
    ],
)
def test_a_hidden_part_of_design_is_not_there(name: str, label: str) -> None:
    assert label in labels(opened("design"))
    assert label not in labels(opened("design", at(hide=name)))


def test_hidden_source_export_costs_and_layer_settings_are_not_there() -> None:
    test = opened("design", at(hide="source,export,costs,inspector"))
    assert not test.expander
    assert not test.metric


def test_a_hidden_setting_keeps_the_value_that_the_link_brought(workspace: Path) -> None:
    NetFolder(workspace, NET).write_config(TrainConfig(DataRef("digits"), optimizer="sgd", seed=9))
    test = opened("train", at(net=NET, hide="optimizer,seed,data"))
    keys = {s.key for s in test.selectbox} | {n.key for n in test.number_input}
    assert not keys & {"set.optimizer", "set.seed", "set.dataset"}
    assert "set.steps" in keys
    assert "Digits" in said(test) or "digits" in said(test)
    assert NetFolder(workspace, NET).read_config() == TrainConfig(DataRef("digits"), optimizer="sgd", seed=9)


def test_a_control_that_does_not_exist_is_told() -> None:
    assert "no control" in said(opened("main", at(hide="optimiser")))
