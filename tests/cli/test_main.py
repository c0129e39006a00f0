"""The command line: help, lazy imports, missing extras, completion, the default study."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mobile_vla.cli.arguments import EvidenceOptions
from mobile_vla.cli.extras import EXTRAS
from mobile_vla.cli.main import COMMANDS, commands_below, main, parser
from mobile_vla.cli.open_book import places
from mobile_vla.study.command_line import command_line
from mobile_vla.study.load_study import find_study
from small_lab import Lab

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in {absent!r} else find(name)
from mobile_vla.cli.arguments import EvidenceOptions
from mobile_vla.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without(modules: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a Python where some packages are not installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(absent=modules), *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_help_shows_every_default_and_says_what_each_argument_is() -> None:
    for command in commands_below(parser()):
        for action in command._actions:
            where = f"{command.prog} {action.dest}"
            assert action.help, where
            if action.default not in (None, False, [], argparse.SUPPRESS):
                assert "default" in action.help, where


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_the_module_of_its_command_alone(command: str) -> None:
    program = (
        "import sys\nfrom mobile_vla.cli.main import main\n"
        f"try:\n    main([{command!r}, '--help'])\nexcept SystemExit: pass\n"
        "print(*(name for name in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert {name for name in COMMANDS if f"mobile_vla.cli.{name}" in loaded} == {command}
    heavy = {name for names in EXTRAS.values() for name in names} | {"numpy", "scipy"}
    assert not heavy & loaded


def test_general_help_imports_no_command() -> None:
    program = "import sys\nfrom mobile_vla.cli.main import main\n" \
        "try:\n    main(['--help'])\nexcept SystemExit: pass\n" \
        "assert not [m for m in sys.modules if m.startswith('mobile_vla.cli.') and " \
        "m.rpartition('.')[2] not in ('main', 'arguments', 'terminal')]"  # fmt: skip
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "absent", "extras"),
    [
        (("train", "Case 1"), ("torch",), "train"),
        (("demo",), ("torch", "mujoco"), "train,sim"),
        (("evaluate", "Case 1"), ("mujoco",), "sim"),
        (("mcp",), ("mcp",), "mcp"),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_written(
    lab: Lab, tmp_path: Path, arguments: tuple[str, ...], absent: tuple[str, ...], extras: str
) -> None:
    place = ("--study", str(lab.study), "--workspace", str(tmp_path / "new"))
    done = without(absent, *arguments, *place)
    assert done.returncode == 2
    assert done.stderr == (
        f"mvla: This needs {absent[0]}, which is not installed: "
        f'run `pip install "mobile-vla[{extras}]"`.\n'
    )
    assert not (tmp_path / "new").exists()


def test_an_import_that_fails_inside_a_command_names_its_extra(tmp_path: Path) -> None:
    file = str(tmp_path / "before_torch_1.6.pt")
    torch.save({"w": torch.ones(2)}, file, _use_new_zipfile_serialization=False)
    done = without(("torch",), "weights", "diff", file, file)
    assert done.returncode == 2
    assert '"mobile-vla[train]"' in done.stderr and "Traceback" not in done.stderr


def test_completion_knows_commands_and_options() -> None:
    shtab = pytest.importorskip("shtab")
    script = shtab.complete(parser(), shell="bash")
    asked = "COMP_WORDS=(mvla episodes imp); COMP_CWORD=2; _shtab_mvla; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["import"], done.stderr


def test_a_study_in_the_working_folder_is_the_default(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_study() == find_study("left_right")
    (tmp_path / "study.yaml").write_text(lab.text)
    assert find_study() == Path("study.yaml")
    assert main(["plan"]) == 0
    assert 'mvla train "Case 3"' in capsys.readouterr().out


def test_a_printed_command_names_what_is_not_the_default(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each error names a command that, pasted, gets further than the command that was refused."""
    monkeypatch.chdir(tmp_path)
    place = f"--study {lab.path.name} --workspace {lab.path}"  # the folder that holds study.yaml
    assert main(["evaluate", "Case 1", *place.split()]) == 2
    assert f'train it with `mvla train "Case 1" {place}`' in capsys.readouterr().err
    folder = tmp_path / "my study"
    folder.mkdir()
    (folder / "study.yaml").write_text(lab.text)
    assert main(["report", "--study", str(folder / "study.yaml"), "--workspace", "none"]) == 2
    told = capsys.readouterr().err
    assert 'run `mvla demo --study "my study" --workspace none`' in told


def test_a_study_that_can_be_named_is_printed_by_its_name(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped, mine = find_study(), tmp_path / "studies" / "mine" / "study.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text(lab.text)
    place = ("laptop", Path("workspace"))
    assert command_line("mvla plan", mine, *place) == "mvla plan --study mine"
    assert command_line("mvla plan", shipped, *place) == "mvla plan"
    (tmp_path / "study.yaml").write_text(lab.text)
    assert command_line("mvla plan", Path("study.yaml"), *place) == "mvla plan"
    assert command_line("mvla plan", shipped, *place) == "mvla plan --study left_right"


def test_every_command_of_a_plan_can_be_pasted(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = ["--study", str(lab.study), "--workspace", str(lab.path)]
    assert main(["plan", *place]) == 0
    told = capsys.readouterr().out
    commands = re.findall(r"^\d+\. (mvla .*?) \(", told, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command)
        assert words[-4:] == ["--study", lab.path.name, "--workspace", str(lab.path)]
        assert parser(words[1]).parse_args(words[1:]).case in ("Case 1", "Case 3", "Case 2",
                                                               "robovlms_bare")  # fmt: skip
    assert main(["plan", *place, "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert {item["command"] for item in items} - {None} <= set(commands)


def test_a_workspace_that_holds_only_the_index_of_status_is_not_scanned(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    assert places(EvidenceOptions(workspace=str(tmp_path)))[1] == []
    (tmp_path / "logs").mkdir()
    assert places(EvidenceOptions(workspace=str(tmp_path)))[1] == [tmp_path]
