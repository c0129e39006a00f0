"""Weights that cannot be meant: refused in the preflight, in sentences, all of them at once."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from mobile_vla.policy import assets
from mobile_vla.runs.events import Exit, Preflight
from mobile_vla.runs.load_report import LoadReport, table
from mobile_vla.training import devices
from mobile_vla.training.run import Refused, begin_run, train
from small_lab import Lab, events_of, furnish

SHIPPED = Path(assets.__file__).parent
EVIDENCE = {"case.yaml", "console.log", "events.head", "events.jsonl", "manifest.json"}
LOADED = frozenset({"load_report.json", "environment.json"})
"""What is written once weights are in order, though the run is refused for another fault."""
NAME = "image_to_text_projection.dense.weight"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.fixture
def here(tmp_path: Path, shared: Path) -> Lab:
    """With the VLM and the initial checkpoint as files that may be spoilt."""
    lab = furnish(tmp_path / "ws", shared, None)
    (lab.path / "cache").unlink()  # what the tests share would hide that a refused run fills it
    shutil.copytree(SHIPPED / "kosmos2-tiny", tmp_path / "vlm")
    shutil.copy(SHIPPED / "robovlms-tiny.pt", tmp_path / "robot.pt")
    lab.change("package:kosmos2-tiny", str(tmp_path / "vlm"))
    lab.change("weights/robot.pt", str(tmp_path / "robot.pt"))
    lab.change("    attempts: [{init_path: wieghts/robto.pt}]\n", "")
    return lab


def refused(
    lab: Lab, case: str = "Case 2", also: frozenset[str] = frozenset(), check: bool = False
) -> str:
    """What the preflight said; nothing is written but that, and no frame or feature is stored."""
    before = stored(lab)
    run = begin_run(lab.resolved(case), lab.workspace)
    with pytest.raises(Refused) as found:
        train(run, lab.workspace, terminal=False, check_only=check)
    assert events_of(run.events, Exit)[-1].outcome == "refused"
    (preflight,) = events_of(run.events, Preflight)
    assert str(found.value) == " ".join(c.detail for c in preflight.checks if not c.passed)
    assert {path.name for path in run.path.iterdir()} <= EVIDENCE | also
    lab.nothing_half_written()
    assert stored(lab) == before
    return str(found.value)


def stored(lab: Lab) -> set[Path]:
    return set(lab.workspace.cache.rglob("*"))


class Planted:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch planted",))


def robot(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = torch.load(folder / "robot.pt", weights_only=True)["state_dict"]
        changed = change(tensors)
        content = changed if isinstance(changed, dict) else tensors
        torch.save({"state_dict": content}, folder / "robot.pt")

    return spoil


def vlm(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "vlm" / "model.safetensors")
        change(tensors)
        tensors = {n: v.contiguous() for n, v in tensors.items()}
        save_file(tensors, folder / "vlm" / "model.safetensors", {"format": "pt"})

    return spoil


def halve(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return spoil


def a_folder(folder: Path) -> None:
    (folder / "robot.pt").unlink()
    (folder / "robot.pt").mkdir()


def a_link(folder: Path) -> None:
    (folder / "robot.pt").unlink()
    (folder / "robot.pt").symlink_to(folder / "gone.pt")


def a_file(folder: Path) -> None:
    shutil.rmtree(folder / "vlm")
    (folder / "vlm").write_text("a VLM")


def other_words(folder: Path) -> None:
    path = folder / "vlm" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] += [[f"▁more{number}", -9.0] for number in range(200)]
    path.write_text(json.dumps(content))


def other_order(folder: Path) -> None:
    path = folder / "vlm" / "tokenizer_config.json"
    path.write_text(path.read_text().replace('"bos_token": "<s>"', '"bos_token": "</s>"'))


def few_words(folder: Path) -> None:
    path = folder / "vlm" / "tokenizer.json"
    path.write_text(path.read_text().replace('"▁around"', '"▁zeppelin"'))


BACKBONE = f"model.backbone.{NAME}"
SPOILT = {
    "link": (a_link, "robot.pt is a link to nowhere"),
    "folder": (a_folder, "robot.pt lacks model.safetensors"),
    "file for a folder": (a_file, "is no VLM folder, it is a file"),
    "truncated pickle": (halve("robot.pt"), "robot.pt"),
    "truncated safetensors": (halve("vlm/model.safetensors"), "damaged or cut short"),
    "truncated config": (halve("vlm/config.json"), "config.json is damaged"),
    "code": (robot(lambda t: {"a": Planted()}), "nothing in it was executed"),
    "NaN": (robot(lambda t: t[BACKBONE].fill_(torch.nan)), "NaN or infinity in " + NAME),
    "NaN in the VLM": (vlm(lambda t: t[NAME].fill_(torch.nan)), "NaN or infinity in " + NAME),
    "another size": (
        robot(lambda t: t.update({n: torch.zeros([2 * s for s in v.shape]) for n, v in t.items()})),
        "differ in shape",
    ),
    "transposed": (
        vlm(lambda t: t.update({n: v.T for n, v in t.items() if n.endswith("fc1.weight")})),
        r"4 differ in shape \(such as text_model.model.layers.0.ffn.fc1.weight: \(64, 256\) in the",
    ),
    "another model": (robot(lambda t: {"resnet.conv1.weight": torch.ones(3)}), "are missing"),
    "tokenizer too large": (other_words, "tokenizer in .* tokens up to"),
    "tokenizer of another order": (other_order, "begins a text with token 2 but the VLM with 0"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_fault_is_a_sentence(
    fault: str, here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil, said = SPOILT[fault]
    spoil(tmp_path)
    assert re.search(said, refused(here))
    assert not (tmp_path / "planted").exists()


def test_a_tokenizer_without_the_words(here: Lab, tmp_path: Path) -> None:
    few_words(tmp_path)
    assert "does not know every word" in refused(here, also=LOADED)


def test_a_path_relative_to_another_folder(
    here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.change(str(tmp_path / "robot.pt"), "RoboVLMs/weights/robot.pt")
    (tmp_path / "weights").mkdir()
    (tmp_path / "robot.pt").rename(tmp_path / "weights" / "robot.pt")
    monkeypatch.chdir(tmp_path)
    said = refused(here)
    assert "RoboVLMs/weights/robot.pt does not exist: did you mean" in said
    assert f'"{tmp_path / "weights" / "robot.pt"}"' in said


def test_robovlms_by_name_without_a_checkpoint(here: Lab) -> None:
    assert "calls itself RoboVLMs but has no initial checkpoint" in refused(here, "robovlms_bare")


def test_all_that_is_wrong_is_told_at_once(
    here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine, the episodes' files, the VLM's weights and words, and the checkpoint's."""
    monkeypatch.setattr(devices, "processor_flags", set)
    here.change("  epochs: 3", "  epochs: 3\n  precision: bf16-mixed")
    data = here.path / "data"
    copied = tmp_path / "copied"
    shutil.copytree(data, copied)
    data.unlink()
    copied.rename(data)
    first = sorted((data / "small").glob("*left*.h5"))[0]
    first.write_bytes(first.read_bytes()[:1000])
    vlm(lambda t: [t[NAME].fill_(torch.nan), t.pop("image_to_text_projection.dense.bias")])(
        tmp_path
    )
    other_words(tmp_path)
    robot(lambda t: [t[BACKBONE].fill_(torch.nan), t.pop("model.action_token")])(tmp_path)
    said = refused(here)
    found = (
        "does not compute in bf16-mixed",
        first.name,
        "tokens up to",
        "vlm does not fit the VLM: 1 of 94 tensors are missing",
        "vlm holds NaN or infinity in " + NAME,
        "robot.pt does not fit the VLM: 1 of ",
        "robot.pt holds NaN or infinity in " + NAME,
    )
    assert [part for part in found if part not in said] == []


def test_a_bad_path_does_not_hide_bad_values(here: Lab, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "vlm")
    robot(lambda t: t[BACKBONE].fill_(torch.nan))(tmp_path)
    said = refused(here, check=True)
    assert "vlm does not exist" in said and "robot.pt holds NaN" in said
    assert "vlm does not exist" in refused(here)


def test_missing_episodes_do_not_hide_bad_values(here: Lab, tmp_path: Path) -> None:
    (here.path / "data").unlink()
    vlm(lambda t: t[NAME].fill_(torch.nan))(tmp_path)
    said = refused(here)
    assert "data/small" in said and "vlm holds NaN" in said


def test_what_may_be_missing_is_a_list_in_the_case(here: Lab, tmp_path: Path) -> None:
    robot(lambda t: t.pop("model.action_token"))(tmp_path)
    assert "1 of 95 tensors are missing (such as action_token)" in refused(here)
    here.change("    init: robot\n", "    init: robot\n    may_miss: [action_tokn]\n")
    assert 'may_miss lists "action_tokn", which no tensor of the VLM is: did you mean' in refused(
        here
    )
    here.change("action_tokn", "action_token")
    run = begin_run(here.resolved("Case 2"), here.workspace)
    train(run, here.workspace, terminal=False, check_only=True)
    report = msgspec.json.decode(run.load_report.read_bytes(), type=LoadReport)
    assert report.sources[1].may_miss == ("action_token",)
    assert report.sources[1].missing["action_token"].names == ("action_token",)
    assert "weights:   allowed to miss: action_token" in table(report)


def test_the_console_says_what_was_loaded(here: Lab) -> None:
    run = begin_run(here.resolved("Case 2"), here.workspace)
    train(run, here.workspace, terminal=False, check_only=True)
    report = msgspec.json.decode(run.load_report.read_bytes(), type=LoadReport)
    lines = table(report).splitlines()
    assert "vlm (huggingface, 1.0 MB" in lines[0]
    (head,) = [line for line in lines if " head " in line and "loaded" in line]
    assert head.endswith("0 loaded, 32 not used")
    assert sum("44 loaded" in line for line in lines) == 2  # the text of both sources
    assert "vision 0, projection 0, text " in lines[-1]


def test_bf16_where_the_machine_has_none(
    here: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("the GPU has it")
    cpu = tmp_path / "cpuinfo"
    monkeypatch.setattr(devices, "CPU_INFO", cpu)
    here.change("  epochs: 3", "  epochs: 3\n  precision: bf16-mixed")
    cpu.write_text("flags\t\t: fpu avx2\n")
    assert "does not compute in bf16-mixed" in refused(here, "Case 1")
    cpu.write_text("flags\t\t: fpu avx512_bf16\n")
    run = begin_run(here.resolved("Case 1"), here.workspace)
    assert train(run, here.workspace, terminal=False, check_only=True).outcome == "finished"
    here.change("bf16-mixed", "16-mixed")
    assert "does not compute in 16-mixed" in refused(here, "Case 1")


def test_the_labs_fault_is_refused(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image positions that cover the text: the loss falls, the instruction never arrives."""
    from mobile_vla.policy.kosmos2 import Kosmos2Backbone

    embed = Kosmos2Backbone.embed

    def covered(self: Kosmos2Backbone, latents: torch.Tensor, text: object) -> torch.Tensor:
        embedded = embed(self, latents, text)  # type: ignore[arg-type]
        places = embedded.shape[1] - 1 - latents.shape[1]
        image = latents.repeat(1, places // latents.shape[1] + 1, 1)[:, :places]
        return torch.cat([embedded[:, : 1 + latents.shape[1]], image], dim=1)

    monkeypatch.setattr(Kosmos2Backbone, "embed", covered)
    run = begin_run(here.resolved("Case 1"), here.workspace)
    with pytest.raises(Refused, match="The instruction does not reach the action"):
        train(run, here.workspace, terminal=False)
    (preflight,) = events_of(run.events, Preflight)
    (check,) = [c for c in preflight.checks if "instruction" in c.name]
    assert not check.passed and "gradient at the text 0)" in check.detail
    assert msgspec.json.decode(run.load_report.read_bytes())  # the weights were in order
    assert not run.checkpoints.exists() or not any(run.checkpoints.iterdir())
