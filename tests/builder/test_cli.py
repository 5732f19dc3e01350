from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from builder.__main__ import main
from builder.document import dumps, to_json
from builder.graph import Graph, Node
from tests.builder.drawings import chain, draw

GOOD = chain("Input", "Linear", "ReLU", "Output", b={"out_features": 1000})
BAD = GOOD.set_params("b", {"out_features": 0})


@pytest.fixture
def run(tmp_path, capsys):
    def run(command, text, *options):
        path = tmp_path / "net.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        code = main([command, str(path), *options])
        return code, *capsys.readouterr()

    return run


def test_check_prints_every_layer_and_the_totals(run):
    code, out, err = run("check", dumps(GOOD))
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["id", "type", "output", "parameters", "FLOPs"]
    assert [line[:4] for line in lines[1:5]] == [
        ["a", "Input", "2", "0"],
        ["b", "Linear", "1000", "3,000"],
        ["c", "ReLU", "1000", "0"],
        ["d", "Output", "1000", "0"],
    ]
    assert lines[5][:2] == ["total", "3,000"]
    count = [int(line[-1].replace(",", "")) for line in lines[1:]]
    assert sum(count[:-1]) == count[-1] > 4000
    assert (code, err) == (0, "")


def test_check_names_what_is_wrong_and_ends_with_1(run):
    code, out, err = run("check", dumps(BAD))
    assert code == 1
    assert "b      Linear  ?" in out
    assert err.splitlines() == [
        "error: b: Outputs must be a whole number from 1 to 1,000,000; it is 0. Use 1 or more. [param/range]"
    ]


def test_what_is_too_large_to_count_is_not_said_to_cost_nothing(run):
    huge = chain("Input", "ReLU", "Output")
    for _ in range(2):
        huge = chain("Input", "Block", "Output", b={"repeat": 200}).set_inner("b", huge)
    code, out, err = run("check", dumps(huge))
    assert code == 1
    assert out.splitlines()[-1].split() == ["total", "?"]
    assert "graph/too-many-layers" in err
    code, out, err = run("check", dumps(huge), "--json")
    body = json.loads(out)
    assert (code, body["ok"], body["params"], body["flops"]) == (1, False, None, None)
    assert [d["code"] for d in body["diagnostics"]] == ["graph/too-many-layers"]


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        (" " * 2_000_001, "document/too-large"),
        (json.dumps(to_json(Graph(tuple(Node(f"r{i}", "ReLU") for i in range(2001))))), "document/too-many"),
    ],
)
def test_a_drawing_refused_for_its_size_is_no_success(run, text, code, options):
    ended, out, err = run("check", text, *options)
    assert ended == 2
    assert code in (out if options else err)


def test_a_warning_alone_is_told_but_is_no_failure(run):
    dead = draw("a:Input b:ReLU c:Output", "a>c a>b")
    code, _, err = run("check", dumps(dead))
    assert code == 0
    assert err.startswith("warning: b: ")


def test_check_json_says_the_same(run):
    code, out, err = run("check", dumps(BAD), "--json")
    body = json.loads(out)
    assert (code, err, body["ok"]) == (1, "", False)
    assert [d["code"] for d in body["diagnostics"]] == ["param/range"]
    assert body["diagnostics"][0]["fix"]["edits"] == [{"op": "set_params", "id": "b", "params": {"out_features": 1}}]
    good = json.loads(run("check", dumps(GOOD), "--json")[1])
    assert (good["ok"], good["params"], good["diagnostics"]) == (True, 3000, [])
    assert [n["output"] for n in good["nodes"]] == [[2], [1000], [1000], [1000]]
    assert {n["dtype"] for n in good["nodes"]} == {"float32"}


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("text", ["", "hello", b"\xff\xfe", '{"format": "x"}', "[" * 100_000])
def test_an_unreadable_file_ends_with_2_and_a_reason(run, text, options):
    code, out, err = run("check", text, *options)
    assert code == 2
    said = json.loads(out)["diagnostics"][0]["code"] if options else err
    assert "document/" in said
    assert "Traceback" not in err


def test_a_missing_file_ends_with_2_and_its_name(capsys):
    assert main(["check", "no/such/file.json"]) == 2
    assert capsys.readouterr().err == "no/such/file.json: No such file or directory.\n"


def test_a_dash_reads_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(dumps(GOOD).encode())))
    assert main(["check", "-"]) == 0
    assert "total" in capsys.readouterr().out


def test_export_prints_source_that_compiles_and_writes_it_to_a_file(run, tmp_path):
    code, out, err = run("export", dumps(GOOD))
    assert (code, err) == (0, "")
    compile(out, "exported", "exec")
    assert "nn.Linear(2, 1000" in out
    target = tmp_path / "model.py"
    assert run("export", dumps(GOOD), "-o", str(target)) == (0, "", "")
    assert target.read_text(encoding="utf-8") == out


def test_export_of_a_broken_network_says_why_and_writes_nothing(run, tmp_path):
    target = tmp_path / "model.py"
    code, out, err = run("export", dumps(BAD), "-o", str(target))
    assert (code, out) == (1, "")
    assert "Outputs must be" in err
    assert not target.exists()


def test_check_works_as_a_program_and_leaves_torch_alone():
    script = "import runpy, sys; sys.argv = ['builder', 'check', '-']\n" \
             "try: runpy.run_module('builder', run_name='__main__')\n" \
             "except SystemExit as end: print('torch' in sys.modules, end.code)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], input=dumps(GOOD), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
