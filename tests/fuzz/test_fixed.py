"""Values that the fuzzing brought up, and their kin."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from targets import LATER

from mobile_vla.evidence.run_facts import run_table
from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.verify_checkpoint import inspect
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import write_atomic
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.study.load_study import load_study
from mobile_vla.study.strict_yaml import read_yaml
from run_folders import STUDY, Maker, safetensors


def header(text: bytes, data: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + data


def entry(*offsets: int, shape: str = "1", kind: str = "F32") -> str:
    return f'{{"dtype":"{kind}","shape":[{shape}],"data_offsets":{list(offsets)}}}'


HEADERS = {
    "null": header(b"null"),
    "a number": header(b"5"),
    "deep": header(b"[" * 200_000 + b"]" * 200_000),
    "one offset": header(b'{"a":%s}' % entry(0).encode(), b"0000"),
    "an offset below": header(b'{"a":%s}' % entry(-4, 0).encode(), b"0000"),
    "a huge offset": header(b'{"a":%s}' % entry(0, 10**30).encode(), b"0000"),
    "many dimensions": header(b'{"a":%s}' % entry(0, 4, shape=",".join(["9" * 18] * 99)).encode()),
    "an unknown type": header(b'{"a":%s}' % entry(0, 4, kind="F3").encode(), b"0000"),
    "spans that overlap": header(b'{"a":%s,"b":%s}' % ((entry(0, 4).encode(),) * 2), b"0000"),
    "a gap": header(b'{"a":%s}' % entry(4, 8).encode(), b"00000000"),
    "a longer header than file": (1 << 62).to_bytes(8, "little"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_a_broken_header_is_a_problem_and_nothing_is_hashed(tmp_path: Path, data: bytes) -> None:
    write_atomic(tmp_path / "policy.safetensors", data)
    inspected = inspect(tmp_path / "policy.safetensors")
    assert inspected.problem is not None
    assert inspected.blake3 == ""


@pytest.mark.parametrize("kind", ["pipe", "device", "sparse", "folder"])
def test_a_checkpoint_that_is_no_file_of_weights_ends_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "policy.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    assert inspect(path).problem is not None


def test_a_file_larger_than_its_event_says_is_not_read(maker: Maker) -> None:
    run = maker.finish("left_10").folder
    weights = run.latest / "policy.safetensors"
    weights.write_bytes(safetensors([1.0] * 1000))
    view = view_run(run, maker.workspace, LATER)
    assert view.latest is not None and view.latest.problem is not None
    assert view.latest.evidence.blake3 == ""
    assert view.state != "finished"


@pytest.mark.parametrize("epoch", ["inf", "nan", "-1", "1e999"])
def test_an_epoch_that_is_none_leaves_its_loss(maker: Maker, epoch: str) -> None:
    run = maker.finish("left_10").folder
    run.metrics.write_text(f"epoch,step,val_loss\r\n{epoch},1,0.25\r\n")
    table = run_table(view_run(run, maker.workspace, LATER), maker.workspace)
    losses = [fact for fact in table if fact.key.quantity == "val_loss" and fact.value == 0.25]
    assert {fact.key.epoch for fact in losses} == {None}


def test_rows_of_no_step_are_not_kept_by_a_resumed_run(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step\r\n0,1\r\n0,-1\r\n0,nan\r\n0,9\r\n")
    MetricsFile(path, keep_to_step=5)
    assert path.read_text().split() == ["epoch,step", "0,1"]


LINE = "zz: {}\n"
STUDIES = {
    "a date that is none": STUDY + LINE.format("&a 2001-99-99"),
    "a tag that does not fit": STUDY + LINE.format("!!int x"),
    "a truth that is none": STUDY + LINE.format("!!bool x"),
    "nested": "{a: " * 50_000,
    "nested lists": "a: " + "[" * 100_000 + "]" * 100_000,
    "aliases of aliases": "a: &a [0, 0, 0, 0, 0, 0, 0, 0, 0]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "a ring": "a: &a [*a]\n",
    "digits": STUDY.replace("epochs: 10", "epochs: " + "9" * 3000),
    "a newline in a name": STUDY.replace("name: left_10,", 'name: "left_10\\n",'),
    "a NUL in a name": STUDY.replace("name: left_10,", 'name: "left\\0",'),
    "a surrogate": STUDY.replace("study: small", 'study: "\\ud800"'),
    "no UTF-8": "study: \udcff",
}  # fmt: skip


@pytest.mark.parametrize("text", STUDIES.values(), ids=STUDIES)
def test_a_study_that_cannot_be_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"study\.yaml"):
        load_study(path)


def test_a_pipe_is_no_study(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.yaml")
    with pytest.raises(UserError, match="no regular file"):
        read_yaml(tmp_path / "study.yaml")


def test_values_that_do_not_fit_together_are_an_unknown_state(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = maker.finish("left_10").folder

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("mobile_vla.evidence.run_view.judge", fail)
    view = view_run(run, maker.workspace, LATER)
    assert (view.state, view.why.code) == ("unknown", "run.not_judged")
    msgspec.json.encode(view)
