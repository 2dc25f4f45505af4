"""The inputs of the benchmark: locks, generated wheels, caches, the commands of each way, and the watched memory."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import bench, locks, memory, render, results, synthetic
from benchmarks.bench import Bench, Wanted
from benchmarks.checkout import Checkout
from benchmarks.competitors import PLAIN_PEX, WAYS, Job, Tools
from benchmarks.execution import Runner
from benchmarks.results import NOX_PEX, Key

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Tools(
    **{field.name: Path("/tools", field.name) for field in dataclasses.fields(Tools)},
)


def bench_in(work: Path) -> Bench:
    return Bench(
        work=work,
        home=work,
        wanted=Wanted(rounds=None, quick=False),
        recorder=results.Recorder(),
        runner=Runner(logs=work / "logs"),
        tools=TOOLS,
        say=print,
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=lambda way: way.name)
def test_each_way_has_a_description_and_starts_only_known_programs(way: object) -> None:
    found = next(one for one in WAYS.values() if one is way)
    job = Job(sources=("main.py", "shop"), greeting="1", lock_changed=True)
    assert found.description.endswith(".")
    for step in found.steps(TOOLS, job):
        assert step.argv[0].startswith(("/tools/", ".venv/")) or step.argv[0] in ("sh", "cp")


def test_the_recipe_runs_the_commands_of_the_blog_post() -> None:
    steps = WAYS["2019 recipe"].steps(TOOLS, Job(sources=("main.py",), greeting="1", lock_changed=False))
    assert [" ".join(step.argv) for step in steps] == [
        "/tools/poetry install --no-interaction",
        "sh -c '/tools/poetry' run pip freeze > requirements.txt",
        "/tools/pex -r requirements.txt -c uvicorn -D . --inject-env GREETING=1 -o service.pex",
    ]


def test_the_steps_that_depend_on_the_lock_run_only_after_it_changed() -> None:
    way = WAYS["pex --pex-repository"]
    names = {
        changed: [step.name for step in way.steps(TOOLS, Job(sources=("a.py",), greeting="1", lock_changed=changed))]
        for changed in (True, False)
    }
    assert names == {True: ["poetry sync", "pins", "dependency PEX", "pex"], False: ["pex"]}


def test_plain_pex_gets_the_modules_and_packages_of_the_project() -> None:
    job = Job(sources=("main.py", "shop"), greeting="1", lock_changed=False)
    (step,) = WAYS[PLAIN_PEX].steps(TOOLS, job)
    assert " ".join(step.argv) == (
        "/tools/pex --pylock pylock.toml -c uvicorn -M main -P shop --inject-env GREETING=1 -o service.pex"
    )


def test_each_pex_that_is_tuned_packs_wheels_as_they_are_and_boots_as_nox_pex_does() -> None:
    job = Job(sources=("main.py",), greeting="1", lock_changed=True)
    for name in ("pex --pylock", "pex --venv-repository", "pex --pex-repository", "uv and pex"):
        assert {"--no-pre-install-wheels", "--venv", "--sh-boot"} <= set(WAYS[name].steps(TOOLS, job)[-1].argv)


def test_settings_replace_the_earlier_ones_and_leave_the_other_tables(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text((ROOT / "benchmarks/projects/hello/pyproject.toml").read_text("utf-8"), "utf-8")
    before = file.read_text("utf-8")
    checkout = Checkout(root=tmp_path)
    checkout.settings("compress = false", 'layout = "packed"')
    assert 'script = "uvicorn"\ncompress = false\nlayout = "packed"\n\n[tool.nox' in file.read_text("utf-8")
    checkout.settings()
    assert file.read_text("utf-8") == before


@pytest.mark.parametrize("project", ["hello", "app"])
@pytest.mark.parametrize("case", list(locks.CHANGES))
def test_the_lock_of_each_round_has_other_releases_and_nothing_else_changes(project: str, case: str) -> None:
    before = (ROOT / "benchmarks/projects" / project / "poetry.lock").read_text("utf-8")
    for releases in locks.CHANGES[case][project]:
        after = locks.with_releases(before, releases)
        known, found = (
            {package["name"]: package["version"] for package in tomllib.loads(text)["package"]}
            for text in (before, after)
        )
        assert found == {name: version for name, version in {**known, **releases}.items() if version is not None}
        assert tomllib.loads(after)["metadata"] == tomllib.loads(before)["metadata"]
    assert locks.with_releases(before, {}) == before


def test_no_release_is_built_before_its_round() -> None:
    used = [
        (name, version)
        for change in locks.CHANGES.values()
        for rounds in change.values()
        for releases in rounds
        for name, version in releases.items()
        if version is not None
    ]
    assert len(used) == len(set(used))


def test_the_lock_of_a_checkout_is_that_of_the_project_with_other_releases(tmp_path: Path) -> None:
    checkout = Checkout.of(ROOT / "benchmarks/projects/hello", tmp_path / "hello")
    lock = checkout.root / "poetry.lock"
    before = lock.read_text("utf-8")
    checkout.lock({"idna": "3.19"})
    assert 'version = "3.19"' in lock.read_text("utf-8")
    checkout.lock({})
    assert lock.read_text("utf-8") == before


def test_a_generated_wheel_is_complete_and_cannot_be_compressed(tmp_path: Path) -> None:
    data = synthetic.Distribution(name="large-000", files=2, size=50_000)
    with synthetic.index(tmp_path, [data]) as url:
        page = (tmp_path / "simple/large-000/index.html").read_text("utf-8")
    (file,) = (tmp_path / "simple/large-000").glob("*.whl")
    assert url.endswith("/simple/")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in page
    with zipfile.ZipFile(file) as wheel:
        members = {name: wheel.read(name) for name in wheel.namelist()}
    rows = dict(row.split(",")[:2] for row in members["large_000-1.0.dist-info/RECORD"].decode().split())
    assert rows.keys() == members.keys()
    parts = [members[f"large_000/part{number:05}.bin"] for number in range(2)]
    assert parts[0] != parts[1]
    assert all(len(part) == 50_000 <= len(zlib.compress(part)) for part in parts)


def test_generated_modules_are_python(tmp_path: Path) -> None:
    members = dict(synthetic.Distribution(name="many", files=3, size=1_000, suffix=".py").members())
    assert len(members) == 4
    for path, content in members.items():
        compile(content, str(tmp_path / path), "exec")


def test_downloads_and_tools_stay_in_the_caches_and_what_was_built_from_a_lock_does_not(tmp_path: Path) -> None:
    run = bench_in(tmp_path)
    kept = (
        "poetry/artifacts/idna.whl",
        "nox-pex/tools/pex/bin/pex",
        "nox-pex/runtimes/one/pex",
        "nox-pex/pex/2.1/installed_wheels/1/ab/pip-26.0-py3-none-any.whl/pip/__init__.py",
        "pex/downloads/idna.whl",
        "pex/interpreters/python",
    )
    built = (
        "nox-pex/environments/one/idna.py",
        "nox-pex/a-new-kind-of-part/idna.zip",
        "nox-pex/pex/2.1/installed_wheels/1/cd/idna-3.20-py3-none-any.whl/idna.py",
        "pex/packed_wheels/0/ef/idna-3.20-py3-none-any.whl",
    )
    for name in (*kept, *built):
        file = run.caches(NOX_PEX) / name
        file.parent.mkdir(parents=True)
        file.touch()
    run.keep_downloads(NOX_PEX)
    assert {name for name in (*kept, *built) if (run.caches(NOX_PEX) / name).exists()} == set(kept)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_is_that_of_the_process_and_its_forks_but_not_of_its_tools() -> None:
    argv = [sys.executable, "-c", _GROWS]
    with memory.watching(argv) as seen:
        subprocess.run(argv, check=True)
    assert 80e6 < seen[0] < 200e6


_GROWS = """
import os, subprocess, sys, time
needs = "import time; memory = bytearray(b'x') * 200_000_000; time.sleep(60)"
tool = subprocess.Popen(["tool", "-c", needs], executable=sys.executable)
child = os.fork()
grown = bytearray(os.urandom(40_000_000))
time.sleep(1)
if child:
    os.wait()
    tool.kill()
"""


def test_an_interrupted_run_goes_on_after_its_last_finished_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def piece(name: str) -> Callable[[Bench], None]:
        def measure(run: Bench) -> None:
            ran.append(name)
            if ran == ["first", "broken", "last"]:
                raise KeyboardInterrupt
            if name == "broken":
                msg = "no index"
                raise OSError(msg)
            run.recorder.add(Key(piece=name, project="", case="", subject=NOX_PEX), 1.0)

        return measure

    monkeypatch.setattr(program, "LATEST", tmp_path / "latest.json")
    monkeypatch.setattr(bench, "provide", lambda *_, **__: TOOLS)
    monkeypatch.setattr(bench, "prepare", lambda _: None)
    monkeypatch.setattr(render, "everything", lambda *_, **__: None)
    monkeypatch.setattr(program, "_pieces", lambda _: {name: piece(name) for name in ("first", "broken", "last")})

    with pytest.raises(KeyboardInterrupt):
        program.main(["--home", str(tmp_path)])
    assert program.main(["--home", str(tmp_path), "--merge"]) == 0

    assert ran == ["first", "broken", "last", "last"]
    measured = results.read(tmp_path / "latest.json")
    assert [one.key.piece for one in measured.series] == ["first", "last"]
    assert measured.failures == ["broken: no index"]
    assert list(tmp_path.glob("unfinished.json")) == []
