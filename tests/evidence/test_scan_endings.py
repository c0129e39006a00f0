"""How a console log says that its run ended, and what only looks like an ending."""

from __future__ import annotations

from pathlib import Path

import pytest

import foreign_material as make
from foreign_material import only_run
from in_english import en
from mobile_vla.evidence.importers.scan_folders import scan

DONE = "`Trainer.fit` stopped: `max_epochs=3` reached.\n"
TRACE = 'Traceback (most recent call last):\n  File "train.py", line 9, in <module>\n    main()\n'
STEP = "slurmstepd: error: *** STEP 5.0 ON node17 CANCELLED AT 2026-01-10T15:27:25 DUE TO"
STOP = "Signaling Trainer to stop.\n"
RICH = "╭──── Traceback (most recent call last) ────╮\n│ main.py:88 in <module> │\n╰────╯\n"

ENDINGS = [
    # (name, text after one epoch and a part of the next, state, quoted in the reason)
    ("time limit", f"{STEP} TIME LIMIT ***\n[rank: 0] Received SIGTERM: 15\n", "killed", "TIME"),
    ("preemption", f"{STEP} PREEMPTION ***\n", "killed", "PREEMPTION"),
    ("slurm memory", "slurmstepd: error: Detected 1 oom_kill event in StepId=1.0.\n"
     "srun: error: node07: task 0: Out Of Memory\n", "killed", "oom_kill"),
    ("pbs", "=>> PBS: job killed: walltime 3600 exceeded limit 3600\n", "killed", "walltime"),
    ("killed on the bar's line", "run.sh: line 3:  42 Killed        python main.py\n", "killed",
     "line 3"),
    ("core", "terminate called after throwing an instance of 'c10::Error'\n"
     "run.sh: line 2: 38 Aborted         (core dumped) python main.py\n", "failed", "c10::Error"),
    ("bus", "Bus error (core dumped)\n", "failed", "Bus error"),
    ("segfault", "Fatal Python error: Segmentation fault\n\nSegmentation fault (core dumped)\n",
     "failed", "Fatal Python error"),
    ("rank", "[rank0]: " + TRACE.replace("\n", "\n[rank0]: ") + "ValueError: bad batch\n"
     "E10 api.py:869] failed (exitcode: 1) local_rank: 0 (pid: 7) of binary: python\n", "failed",
     "ValueError: bad batch"),
    ("torchrun alone", "E10 api.py:869] failed (exitcode: 1) local_rank: 0 (pid: 7)\n", "failed",
     "exitcode: 1"),
    ("torchrun kill", TRACE + "torch.distributed.elastic.errors.ChildFailedError: \n"
     "main.py FAILED\n  exitcode  : -9 (pid: 78)\n"
     "  traceback : Signal 9 (SIGKILL) received by PID 78\n", "killed", "SIGKILL"),
    ("rich", RICH + "RuntimeError: CUDA error: device-side assert triggered\n", "failed", "CUDA"),
    ("chain", TRACE + "KeyError: 'a'\n\nDuring handling of the above exception, another exception "
     "occurred:\n\n" + TRACE + "RuntimeError: worker died\n", "failed", "worker died"),
    ("interrupt", "Detected KeyboardInterrupt, attempting graceful shutdown ...\n" + TRACE
     + "NameError: name 'exit' is not defined\n", "killed", "KeyboardInterrupt"),
    ("thread alone", "Exception in thread Thread-1:\n" + TRACE + "OSError: pipe\n", "unknown",
     "without a word"),
    ("early stop", "Monitored metric val_loss did not improve in the last 2 records. " + STOP,
     "finished", "did not improve"),
    ("not finite", "Monitored metric val_loss = nan is not finite. Previous best value was 0.3. "
     + STOP, "failed", "not finite"),
    ("max_time", "Time limit reached. Elapsed time is 0:10:00. " + STOP, "finished", "Time limit"),
    ("stop, then a crash", "Time limit reached. Elapsed time is 0:10:00. " + STOP + TRACE
     + "OSError: [Errno 28] No space left on device\n", "failed", "No space"),
    ("max_steps", "`Trainer.fit` stopped: `max_steps=80` reached.\n", "finished", "max_steps=80"),
    ("thread after the end", DONE + "Exception in thread IntMsgThr:\n" + TRACE
     + "BrokenPipeError: [Errno 32] Broken pipe\n", "finished", "max_epochs=3"),
    ("destructor after the end", DONE + "Exception ignored in: <function f at 0x7f>\n" + TRACE
     + "AssertionError: can only test a child process\n", "finished", "max_epochs=3"),
    ("workers after the end", DONE + "Terminated\n", "finished", "max_epochs=3"),
    ("bar printed again after the end", DONE + make.bar(1, 12, 40, 0.3) + "\n", "finished",
     "max_epochs=3"),
    ("node failure", f"{STEP} NODE FAILURE ***\n", "killed", "NODE FAILURE"),
    ("cancelled", "slurmstepd: error: *** JOB 77 ON n1 CANCELLED AT 2026-01-10T15:27:25 ***\n",
     "killed", "CANCELLED"),
    ("forced", "srun: Force Terminated StepId=12.0\n", "killed", "Force"),
    ("lsf", "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.\n", "killed",
     "TERM_MEMLIMIT"),
    ("sge", "failed 37  : qmaster enforced h_rt, h_cpu, or h_vmem limit\n", "killed", "h_rt"),
    ("condor", "005 (12.000.000) Job terminated.\n\t(0) Abnormal termination (signal 9)\n",
     "killed", "signal 9"),
    ("mpirun", "mpirun noticed that process rank 1 with PID 0 on node n1 exited on signal 11 "
     "(Segmentation fault).\n", "failed", "signal 11"),
    ("mpirun killed", "mpirun noticed that process rank 1 exited on signal 9 (Killed).\n",
     "killed", "signal 9"),
    ("systemd", "Jan 10 15:27:25 n1 systemd[1]: train.service: Main process exited, code=killed, "
     "status=9/KILL\n", "killed", "9/KILL"),
    ("systemd exit", "train.service: Main process exited, code=exited, status=1/FAILURE\n",
     "failed", "status=1"),
    ("container", "trainer-1 exited with code 137\n", "killed", "137"),
    ("container failed", "trainer-1 exited with code 1\n", "failed", "code 1"),
    ("container ended well", "trainer-1 exited with code 0\n", "unknown", "without a word"),
    ("pod", "OOMKilled\n", "killed", "OOMKilled"),
    ("timeout", "timeout: sending signal TERM to command 'python'\n", "killed", "TERM"),
    ("group", "  + Exception Group Traceback (most recent call last):\n"
     '  |   File "train.py", line 9, in <module>\n'
     "  | ExceptionGroup: several (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n"
     "    | Traceback (most recent call last):\n    | ValueError: a\n", "failed", "several"),
    ("windows lines", (TRACE + "ValueError: bad\n").replace("\n", "\r\n"), "failed", "bad"),
    ("coloured", "\x1b[31mKilled\x1b[0m\n", "killed", "Killed"),
    ("several lines", TRACE + 'RuntimeError: Error(s) in loading state_dict for Net:\n'
     '\tMissing key(s) in state_dict: "a".\n', "failed", "loading state_dict"),
    ("repeated", TRACE + "  [Previous line repeated 974 more times]\n"
     "RecursionError: maximum recursion depth exceeded\n", "failed", "recursion"),
    ("collective", "[rank1]:[E110 ProcessGroupNCCL.cpp:632] Watchdog caught collective operation "
     "timeout\nterminate called after throwing an instance of 'c10::DistBackendError'\n",
     "failed", "DistBackendError"),
    ("restarted workers", "UserWarning: Killed workers were restarted\n", "unknown",
     "without a word"),
    ("usage", "Usage: train.py [OPTIONS]\nError: No such option: --epohcs\n", "failed",
     "No such option"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "state", "quoted"), [row[1:] for row in ENDINGS],
                         ids=[row[0] for row in ENDINGS])  # fmt: skip
def test_an_ending_is_read(tmp_path: Path, text: str, state: str, quoted: str) -> None:
    log = make.log("case_1", [0.3], train=40, ending="") + make.bar(1, 12, 40, 0.3)
    make.write(tmp_path / "a.log", log + "\n" + text)
    run = only_run(tmp_path)
    assert (run.case, run.state) == ("case_1", state)
    assert quoted in en(run.why)


@pytest.mark.parametrize(
    "before",
    [
        "ERROR: ld.so: object 'x.so' from LD_PRELOAD cannot be preloaded: ignored.\n",
        "ERROR: pip's dependency resolver does not take into account all packages.\n",
        "Killed\n",
        TRACE + "ImportError: optional\n",
    ],
)
def test_a_line_before_the_first_bar_is_no_ending(tmp_path: Path, before: str) -> None:
    text = before + make.log("case_1", [0.3], ending="")
    make.write(tmp_path / "a.log", text)
    run = only_run(tmp_path)
    assert (run.state, run.case) == ("unknown", "case_1")


def test_a_caught_traceback_is_no_ending(tmp_path: Path) -> None:
    text = make.log("case_1", [0.3], train=40, ending="\nERROR:root:could not log picture\n")
    text += TRACE + "ConnectionError: max retries exceeded\n" + make.bar(1, 3, 40, 0.3) + "\n"
    make.write(tmp_path / "a.log", text)
    run = only_run(tmp_path)
    assert run.state == "unknown" and "epoch 1, step 3 of 40" in en(run.why)


def test_a_stop_that_training_ignores_is_no_ending(tmp_path: Path) -> None:
    """Lightning goes on where `min_epochs` is not reached."""
    text = make.log("case_1", [0.3], train=40, ending="\nTime limit reached. " + STOP)
    make.write(tmp_path / "a.log", text + make.bar(1, 3, 40, 0.3))
    assert only_run(tmp_path).state == "unknown"


def test_two_dumps_in_one_log_are_two_runs(tmp_path: Path) -> None:
    text = make.log("first", [0.3, 0.2, 0.1]) + make.log("second", [0.3], ending="\n" + TRACE)
    make.write(tmp_path / "a.log", text + "ValueError: bad\n")
    runs = {run.case: run for run in scan([tmp_path]).runs}
    assert {name: run.state for name, run in runs.items()} == {
        "first": "finished", "second": "failed"}  # fmt: skip
    assert [runs["first"].final_val_loss, runs["second"].final_val_loss] == [0.1, 0.3]


def test_a_dump_that_every_process_prints_begins_one_run(tmp_path: Path) -> None:
    dump = repr(make.config("case_1")) + "\n"
    make.write(tmp_path / "a.log", dump + dump + make.log("case_1", [0.3, 0.2, 0.1]))
    assert only_run(tmp_path).state == "finished"


def test_a_second_attempt_of_one_name_in_one_log_is_a_second_run(tmp_path: Path) -> None:
    text = make.log("case_1", [0.3], ending="\nKilled\n") + make.log("case_1", [0.3, 0.2, 0.1])
    make.write(tmp_path / "a.log", text)
    assert sorted(run.state for run in scan([tmp_path]).runs) == ["finished", "killed"]


def test_training_again_after_the_end_without_a_dump_is_another_run(tmp_path: Path) -> None:
    bars = "".join(make.bar(0, n, 40, 0.1) for n in (1, 20))
    make.write(tmp_path / "train.log", make.bar(0, 40, 40) + DONE + bars + "\n")
    assert sorted(run.state for run in scan([tmp_path]).runs) == ["finished", "unknown"]
