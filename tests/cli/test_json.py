"""`--json` on every command: stdout holds the answer alone, and what people read is on stderr."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import foreign_material as make
from mobile_vla.cli.main import commands_below, main, parser
from mobile_vla.cli.run_options import json_only_stdout
from mobile_vla.cli.schema import schema
from mobile_vla.episodes.manifest import read_manifest
from small_lab import Lab


def valid(answer: Any, command: str) -> None:
    published = schema()
    told = {"$defs": published["$defs"], **published["commands"][command]}
    Draft202012Validator(told).validate(answer)


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_command_has_an_example_and_json() -> None:
    commands = {command.prog: command for command in commands_below(parser())}
    assert len(commands) > 15
    for name, command in commands.items():
        assert f"example: {name}" in (command.epilog or ""), name
        answers = "--json" in command.format_help()
        speaks_a_protocol = name in ("mvla mcp", "mvla serve", "mvla ui")
        assert answers != speaks_a_protocol, f"{name}: a server alone has a protocol instead"


def test_a_refused_case_answers_too(lab: Lab) -> None:
    done = lab.run("train", "Case 2", "--json")
    assert done.end() == 1
    run = json.loads(done.stdout)
    valid(run, "train CASE")
    assert run["state"] == "failed" and done.sentence() in run["why"]


@pytest.mark.slow
def test_a_demo_and_a_queue_answer_with_all_that_was_judged(lab: Lab, tmp_path: Path) -> None:
    lab.change("  - {name: robovlms_bare, vlm: tiny, data: {left: 10}}\n", "")
    done = lab.run("demo", "--json", workspace=tmp_path / "demo")
    assert done.end() == 0
    judged = json.loads(done.stdout)
    valid(judged, "demo")
    states = {case["name"]: case["state"] for case in judged["cases"]}
    assert states == {"left_10": "finished", "robovlms_10": "blocked", "both_20": "finished"}
    assert all(Path(report).is_file() for report in judged["reports"])
    again = lab.run("train", "--all", "--json", workspace=tmp_path / "demo")
    cases = json.loads(again.stdout)
    valid(cases, "train --all")
    assert [case["state"] for case in cases] == list(states.values())


def test_episodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(
        capsys, "episodes", "simulate", tmp_path / "d", "--left", 1, "--right", 1, "--size", "32x32"
    )
    manifest = read_manifest(Path(made["path"]))
    assert made["manifest"]["hash"] == manifest.hash
    episode = manifest.episodes[0]
    shown = answer(capsys, "episodes", "show", tmp_path / "d" / episode.source)
    assert Path(shown["picture"]).is_file()
    assert (shown["episode"], shown["frames"]) == (episode.id, episode.frames)
    assert shown["instruction"].startswith("go around the box on the ")
    pytest.importorskip("pyarrow")
    out = tmp_path / "lerobot"
    found = answer(capsys, "episodes", "export", tmp_path / "d", out, "--images")
    frames = sum(episode.frames for episode in manifest.episodes)
    assert found == {"folder": str(out), "episodes": 2, "frames": frames}


def test_corrections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make.write(tmp_path / "logs/a.txt", make.log("nav_left_20251203", [0.3, 0.2, 0.1]))
    page = tmp_path / "page.md"
    page.write_text("# nav_left_20251203\n\n- Learning rate: 0.5\n")
    arguments = ["audit", str(page), "--evidence", str(tmp_path / "logs"), "--json"]
    assert main([*arguments, "--diff"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert "+- Learning rate: 0.0001" in told["diff"]
    (fixed,) = answer(capsys, *arguments[:-1], "--fix")
    assert (fixed["document"], fixed["left"], fixed["diff"]) == (str(page), [], None)
    assert [one["claim"]["value"] for one in fixed["corrected"]] == ["0.5"]
    assert "0.0001 ~~0.5~~" in page.read_text()


def test_what_is_printed_meanwhile_goes_to_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with json_only_stdout(True):
        print("by us")
        os.system("echo by another")
    print("{}")
    said = capfd.readouterr()
    assert said.out == "{}\n"
    assert sorted(said.err.splitlines()) == ["by another", "by us"]
