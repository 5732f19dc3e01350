"""The bundles that a browser gets are those that the sources make: checked by hash, and rebuilt where Node is there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "pages"
FRONTENDS = sorted(p for p in PAGES.glob("*/frontend") if (p / "src").is_dir())
FILES = ("package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")
MAX_BYTES = {"canvas": 600_000}


def name(frontend: Path) -> str:
    return frontend.parent.name


def sources_hash(frontend: Path) -> str:
    """The same as sourcesHash() of pages/sources-hash.mjs."""
    found = (p.relative_to(frontend).as_posix() for p in (frontend / "src").rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for path in sorted((*FILES, *found)):
        digest.update(path.encode() + b"\0" + (frontend / path).read_bytes() + b"\0")
    return digest.hexdigest()


def bundles(frontend: Path) -> list[Path]:
    return sorted((frontend.parent / "assets").glob("*.js"))


def stamp(bundle: Path) -> str:
    with bundle.open(encoding="utf-8") as lines:
        return next(lines).strip()


def stamped(frontend: Path) -> list[Path]:
    """Bundles of our own: what lies beside them without a stamp came from elsewhere as it is."""
    return [b for b in bundles(frontend) if stamp(b).startswith("// layerloom sources ")]


def test_there_is_a_canvas_frontend_with_one_bundle() -> None:
    assert [b.name for b in stamped(PAGES / "canvas" / "frontend")] == ["canvas.js"]


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_a_committed_bundle_was_built_from_the_sources_beside_it(frontend: Path) -> None:
    assert stamped(frontend), "build it: npm ci && npm run build"
    for bundle in stamped(frontend):
        assert stamp(bundle) == f"// layerloom sources {sources_hash(frontend)}", "build it: npm ci && npm run build"


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_a_bundle_is_taken_by_streamlit_for_code_and_not_for_a_file_name(frontend: Path) -> None:
    for bundle in stamped(frontend):
        assert "\n" in bundle.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_a_bundle_stays_small(frontend: Path) -> None:
    for bundle in stamped(frontend):
        assert bundle.stat().st_size < MAX_BYTES.get(name(frontend), 2_000_000)


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_versions_are_pinned_and_the_lock_names_no_registry(frontend: Path) -> None:
    assert '"resolved"' not in (frontend / "package-lock.json").read_text(encoding="utf-8")
    package = (frontend / "package.json").read_text(encoding="utf-8")
    assert "^" not in package
    assert "~" not in package


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_the_licence_of_every_package_in_a_bundle_is_beside_it(frontend: Path) -> None:
    lock = json.loads((frontend / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    bundled = {
        p.split("node_modules/")[-1]: body["version"]
        for p, body in lock.items()
        if p and not (body.get("dev") or body.get("devOptional"))
    }
    found = [*frontend.parent.glob("LICENSES.txt"), *frontend.parent.glob("assets/LICENSES.txt")]
    text = "".join(p.read_text(encoding="utf-8") for p in found)
    assert [n for n, v in bundled.items() if not n.startswith("@types/") and f"{n} {v} (" not in text] == []


@pytest.mark.parametrize("frontend", FRONTENDS, ids=name)
def test_building_again_gives_the_same_bytes(frontend: Path, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no Node on this machine: the hash is checked all the same")
    shutil.copy(PAGES / "sources-hash.mjs", tmp_path)
    copy = tmp_path / name(frontend) / "frontend"
    shutil.copytree(frontend, copy, ignore=shutil.ignore_patterns("node_modules"))
    if (frontend / "node_modules").is_dir():
        (copy / "node_modules").symlink_to(frontend / "node_modules")
    elif subprocess.run([npm, "ci"], check=False, cwd=copy, capture_output=True, timeout=120).returncode:
        pytest.skip("the packages cannot be fetched here: the hash is checked all the same")
    for script in ("check", "build"):
        command = [npm, "run", script]
        done = subprocess.run(command, check=False, cwd=copy, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    for bundle in stamped(frontend):
        assert (copy.parent / "assets" / bundle.name).read_bytes() == bundle.read_bytes()
