"""The state of a run, each produced as it comes about, and never a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_english import all_en, en
from mobile_vla.evidence.model import RunView
from mobile_vla.evidence.read_run import read_run
from mobile_vla.evidence.run_state import Life, judge
from mobile_vla.evidence.timeline import timeline
from mobile_vla.runs.chain import without_chains
from mobile_vla.runs.events import EventLog, Heartbeat, Start
from mobile_vla.runs.process import Process, boot_id, this_process
from small_lab import until

if TYPE_CHECKING:
    from run_folders import Maker

CHILD = """
import signal, sys
from pathlib import Path
from mobile_vla.runs.events import EventLog, Exit, Heartbeat, Start
from mobile_vla.runs.process import this_process
log = EventLog(Path(sys.argv[1]) / "events.jsonl")
log.append(Start(process=this_process(), argv=sys.argv, total_steps=40))
log.append(Heartbeat(step=7, epoch=1))
print("ready", flush=True)
{then}
"""

TRACEBACK = "Traceback (most recent call last):\n  File x\n{}\n"


def run_child(maker: Maker, then: str) -> tuple[subprocess.Popen[str], Path]:
    """A real process that begins a run and then does `then`, its output in console.log."""
    run = maker.begin("left_10")
    run.folder.events.unlink()
    with open(run.folder.console, "w") as console:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(then=then), str(run.folder.path)],
            stdout=subprocess.PIPE, stderr=console, text=True)  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child, run.folder.path


def only(maker: Maker) -> RunView:
    runs = maker.book().runs()
    assert len(runs) == 1
    return runs[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signalled_process_is_killed_and_was_running_before(
    maker: Maker, number: signal.Signals
) -> None:
    child, _ = run_child(maker, "signal.pause()")
    assert only(maker).state == "running"
    child.send_signal(number)
    child.wait()
    run = only(maker)
    assert (run.state, run.steps, run.total_steps) == ("killed", 7, 40)
    assert str(child.pid) in en(run.why)


def test_a_stopped_process_is_stalled(maker: Maker) -> None:
    child, _ = run_child(maker, "signal.pause()")
    child.send_signal(signal.SIGSTOP)
    until(lambda: only(maker).state == "stalled", "a stalled run")
    run = only(maker)
    child.kill()
    child.wait()
    assert run.state == "stalled"
    assert "stopped" in en(run.why)


def test_an_uncaught_exception_is_read_from_the_console(maker: Maker) -> None:
    child, _ = run_child(maker, "raise RuntimeError('the disk ate it')")
    child.wait()
    run = only(maker)
    assert run.state == "failed"
    assert "RuntimeError: the disk ate it" in en(run.why)
    assert any(e.file.endswith("console.log") and e.where == "line 3" for e in run.evidence)


@pytest.mark.parametrize("then", ["sys.exit(1)", "sys.exit(0)"])
def test_leaving_early_without_a_word_is_no_success(maker: Maker, then: str) -> None:
    child, _ = run_child(maker, then)
    child.wait()
    assert only(maker).state == "killed"


def test_finished_needs_a_checkpoint_that_loads(maker: Maker) -> None:
    run = maker.finish("left_10")
    assert only(maker).state == "finished"
    weights = run.folder.best / "policy.safetensors"
    whole = weights.read_bytes()
    for damage, word in (
        (whole[:-1], "bytes where its header says"),
        (whole[:-1] + b"\x01", "hash is not the one written"),
        (maker.safetensors([1.0, float("nan"), 3.0]), "NaN"),
        (b"garbage", "truncated"),
    ):
        weights.write_bytes(damage)
        view = only(maker)
        assert view.state == "unverified", word
        assert word in en(view.why)
    weights.write_bytes(whole)
    assert only(maker).state == "finished"


def test_a_checkpoint_no_event_names_is_an_orphan(maker: Maker) -> None:
    run = maker.finish("left_10")
    orphan = run.folder.checkpoints / "step-000099"
    orphan.mkdir()
    (orphan / "policy.safetensors").write_bytes(maker.safetensors([1.0]))
    view = only(maker)
    assert view.state == "finished"
    assert any("step-000099" in c and "no checkpoint event" in c for c in all_en(view.conflicts))


def test_finished_with_steps_left_is_a_conflict(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.train(epochs=3)
    run.exit("finished", step=12)
    view = only(maker)
    assert view.state == "unverified"
    assert any("12 of 40" in conflict for conflict in all_en(view.conflicts))


def test_losses_that_disagree_are_unverified(maker: Maker) -> None:
    run = maker.finish("left_10")
    text = run.folder.metrics.read_text().replace(",0.1,", ",0.05,")
    run.folder.metrics.write_text(text)
    view = only(maker)
    assert view.state == "unverified"
    assert "metrics.csv" in en(view.why)


@pytest.mark.parametrize(
    ("outcome", "state", "words"),
    [
        ("refused", "failed", "refused in preflight: no such path"),
        ("exception", "failed", "failed at step 8 of 40: ValueError: no such path"),
        ("nan", "failed", "no number"),
        ("interrupted", "killed", "interrupted at step 8 of 40"),
    ],
)
def test_every_exit_event_has_its_state(maker: Maker, outcome: str, state: str, words: str) -> None:
    run = maker.begin("left_10")
    exception = "ValueError" if outcome == "exception" else None
    run.exit(outcome, "no such path", exception, step=8)
    view = only(maker)
    assert view.state == state
    assert words in en(view.why)
    assert view.evidence[0].where == "line 2"


def test_silence_beyond_five_slowest_gaps_is_a_stall(maker: Maker) -> None:
    run = maker.begin("left_10", process=this_process())
    run.log(Heartbeat(step=1, epoch=0), seconds=30)
    facts = read_run(run.folder, maker.workspace)
    line = timeline(facts.events)
    lives = {line.starts[-1][1].process: Life(True)}
    for seconds, state in ((59, "running"), (149, "running"), (151, "stalled")):
        now = run.now + timedelta(seconds=seconds)
        assert judge(facts, line, lives, now).state == state


def test_a_reused_pid_after_a_reboot_is_not_the_run(maker: Maker) -> None:
    me = this_process()
    maker.begin(
        "left_10", process=Process(pid=me.pid, boot="other", started=me.started, host=me.host)
    )
    assert only(maker).state == "killed"


def test_a_pid_reused_in_this_boot_is_not_the_run(maker: Maker) -> None:
    maker.begin("left_10", process=maker.gone())
    assert only(maker).state == "killed"


def test_another_machine_is_unknown(maker: Maker) -> None:
    elsewhere = Process(pid=os.getpid(), boot=boot_id(), started=1, host="elsewhere")
    maker.begin("left_10", process=elsewhere)
    view = only(maker)
    assert view.state == "unknown"
    assert "elsewhere" in en(view.why)


def test_two_living_processes_on_one_folder_are_a_conflict(maker: Maker) -> None:
    child, _ = run_child(maker, "signal.pause()")
    run = maker.book().runs()[0]
    log = EventLog(maker.workspace / run.path / "events.jsonl")
    log.append(Start(process=this_process(), argv=[]))
    view = only(maker)
    child.kill()
    child.wait()
    assert any("both write this run" in conflict for conflict in all_en(view.conflicts))


def test_a_resumed_run_is_judged_by_its_last_process(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.train(epochs=2)
    run.exit("exception", "first", "ValueError", step=8)
    run.log(Start(process=maker.gone(), argv=[], total_steps=40, resumed_at_step=8))
    run.folder.console.write_text(TRACEBACK.format("ValueError: first"))
    assert only(maker).state == "killed"
    run.folder.console.write_text(TRACEBACK.format("KeyError: second"))
    assert only(maker).state == "failed"
    run.log(Start(process=this_process(), argv=[], total_steps=40, resumed_at_step=8))
    assert (only(maker).state, only(maker).steps) == ("stalled", 8)


def test_a_clock_set_back_and_one_in_the_future_are_said(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.log(Heartbeat(step=1, epoch=0), seconds=-600)
    assert any("set back before line 2" in c for c in all_en(only(maker).conflicts))
    run.log(Heartbeat(step=2, epoch=0), seconds=86400)
    assert any("in the future" in c for c in all_en(only(maker).conflicts))


def test_the_best_link_is_held_against_the_log(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.train(epochs=1, final_loss=0.05)
    run.checkpoint(8, 1, 0.2)
    assert any("lower validation loss" in c for c in all_en(only(maker).conflicts))


def test_a_preflight_alone_is_no_training(maker: Maker) -> None:
    maker.begin("left_10").exit("finished", "preflight only, nothing was trained", step=0)
    assert (only(maker).state, only(maker).conflicts) == ("queued", [])


def test_a_sentence_for_people_needs_no_class_before_it(maker: Maker) -> None:
    maker.begin("left_10").exit("exception", "The disk is full.", "UserError", step=3)
    assert en(only(maker).why) == "failed at step 3 of 40: The disk is full."


def test_a_prepared_folder_is_queued(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.folder.events.unlink()
    assert only(maker).state == "queued"


GARBAGE = [
    "events.jsonl",
    "case.yaml",
    "manifest.json",
    "load_report.json",
    "environment.json",
    "metrics.csv",
    "console.log",
    "evaluation/offline.json",
    "evaluation/rollouts.json",
]


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x80" * 999, b"{", b"[" * 100_000, b"- [a"])
def test_no_content_of_any_file_crashes(maker: Maker, name: str, content: bytes) -> None:
    run = maker.finish("left_10")
    (run.folder.path / name).write_bytes(content)
    view = only(maker)
    assert view.case == "left_10"
    if name == "events.jsonl":
        assert view.state in ("unknown", "queued")
    elif name not in ("console.log", "metrics.csv"):
        assert any(Path(name).name in conflict for conflict in all_en(view.conflicts))


def test_a_half_written_line_is_told_and_the_rest_is_read(maker: Maker) -> None:
    run = maker.begin("left_10")
    with open(run.folder.events, "ab") as file:
        file.write(b'{"event":"heart')
    run.log(Heartbeat(step=3, epoch=0))
    view = only(maker)
    assert view.steps == 3
    assert any("line 2" in conflict for conflict in all_en(view.conflicts))


def test_a_folder_in_place_of_a_file_and_a_loop_of_links(maker: Maker) -> None:
    run = maker.finish("left_10")
    run.folder.manifest.unlink()
    run.folder.manifest.mkdir()
    (run.folder.checkpoints / "best").unlink()
    (run.folder.checkpoints / "best").symlink_to("best")
    (run.folder.path.parent / "loop").symlink_to(run.folder.path.parent)
    view = only(maker)
    assert any("manifest.json is not a file" in conflict for conflict in all_en(view.conflicts))
    assert view.best is None


def test_results_of_a_foreign_checkpoint_are_not_used(maker: Maker) -> None:
    run = maker.finish("left_10")
    run.hash = "0" * 64
    run.evaluate()
    view = only(maker)
    assert view.offline is None and view.rollouts is None
    assert any("did not write" in conflict for conflict in all_en(view.conflicts))


def test_step_time_and_losses_come_from_the_epochs(maker: Maker) -> None:
    maker.finish("left_10")
    view = only(maker)
    assert view.seconds_per_step == pytest.approx(0.5)
    assert (view.epochs, view.best_val_loss, view.final_val_loss) == (10, 0.1, 0.1)
    assert view.trained_parts == {"text": 10}


def test_evidence_carries_the_hash_of_the_file_it_was_read_in(maker: Maker) -> None:
    from mobile_vla.runs.files import hash_file

    maker.finish("left_10")
    for evidence in only(maker).evidence:
        assert evidence.blake3 == hash_file(maker.workspace / evidence.file)


def test_a_checkpoint_event_may_name_the_file(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.train()
    text = run.folder.events.read_text()
    run.folder.events.write_text(text.replace('000040"', '000040/policy.safetensors"'))
    run.exit("finished")
    assert only(maker).state == "finished"


def test_a_key_that_the_case_file_has_not_is_unknown_and_no_default(maker: Maker) -> None:
    run = maker.finish("left_10")
    text = run.folder.case_yaml.read_text()
    assert "  accumulate: 1\n" in text
    run.folder.case_yaml.write_text(text.replace("  accumulate: 1\n", ""))
    view = only(maker)
    assert view.resolved is not None and view.resolved.recipe.accumulate == 8
    assert "recipe.accumulate" not in view.factors and "recipe.batch" in view.factors


@pytest.mark.parametrize(("of_first", "lower"), [(0.3, False), (0.05, True)])
def test_best_is_held_against_the_metric_that_it_was_chosen_by(
    maker: Maker, of_first: float, lower: bool
) -> None:
    """The second has the higher loss and is `best` by its error, of 0.1."""
    run = maker.begin("left_10")
    run.train(epochs=1, final_loss=0.05)
    run.checkpoint(8, 1, 0.2)
    lines = without_chains(run.folder.events.read_bytes()).decode().splitlines()
    places = [n for n, line in enumerate(lines) if '"event":"checkpoint"' in line]
    for place, value in zip(places, (of_first, 0.1), strict=True):
        event = json.loads(lines[place]) | {"val_mae": value, "best_by": "val_mae"}
        lines[place] = json.dumps(event)
    run.folder.events.write_text("\n".join(lines) + "\n")
    said = [conflict for conflict in all_en(only(maker).conflicts) if "by the log" in conflict]
    assert [("lower val_mae" in conflict) for conflict in said] == [True] * lower
