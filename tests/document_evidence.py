"""A made-up workspace for the tests of documents: three cases, one refused run, two comparisons."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from in_english import note
from mobile_vla.analysis.model import Comparison, Effect, Factor, Missing, Plan, PlanItem
from mobile_vla.evidence.model import CaseView, CheckpointView, Evidence, RunView
from mobile_vla.messages.reason import reason
from mobile_vla.report.report_data import ReportView
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.results import (
    EpisodeSet,
    Metric,
    Offline,
    Rollout,
    Rollouts,
    Scored,
    Swap,
)
from mobile_vla.study.models import (
    Counts,
    Lora,
    Question,
    Recipe,
    ResolvedCase,
    RobotSettings,
    Text,
    WeightSource,
)

WHEN = datetime(2025, 12, 3, 11, 30, tzinfo=UTC)
CASE_1, CASE_2, CASE_3 = "vla_lora_20251203", "vla_robovlms_20251204", "vla_leftright_20251204"
BALANCE = Question(
    name="balance",
    title=Text(en="effect of data balance", ko="데이터 균형 효과"),
    factor="direction_balance",
    pair=(CASE_1, CASE_3),
    fair_pair=(CASE_1, "control_balanced_250"),
)


def view_of(workspace: Path) -> ReportView:
    """The view over `workspace`; nothing is written there."""
    return ReportView(
        workspace=workspace,
        study="left_right",
        title=Text(en="Left and right past a box", ko="상자를 왼쪽과 오른쪽으로 지나기"),
        profile="laptop",
        note=Text(en="small VLMs, simulated episodes", ko="소형 VLM, 시뮬레이션 에피소드"),
        cases=[_case_1(), _case_2(), _case_3()],
        comparisons=[confounded(), valid()],
        plan=Plan(
            items=[
                PlanItem(case=CASE_1, label="Case 1", state="done",
                         why=note("finished and evaluated"), command=None, seconds=None),
                PlanItem(case=CASE_3, label="Case 3", state="running", why=note("step 90 of 200"),
                         command=None, seconds=12.0, progress=0.45),
                PlanItem(case=CASE_2, label="Case 2", state="to_do",
                         why=note("run 1 of 2 was refused"), command='mvla train "Case 2"',
                         seconds=24.5),
            ],
            next_steps=[note('train Case 2 again: mvla train "Case 2"')],
        ),
    )  # fmt: skip


def write_files(view: ReportView, *, epochs: int = 20) -> None:
    """Curves and a picture for every run, as a training run would have left them."""
    for case in view.cases:
        for run in case.runs:
            folder = view.workspace / run.path
            metrics = MetricsFile(folder / "metrics.csv")
            for epoch in range(epochs):
                loss = 0.4 * 0.85**epoch + 0.01
                metrics.append(epoch=epoch, step=epoch * 4, train_loss=loss)
                metrics.append(epoch=epoch, step=epoch * 4 + 4, val_loss=1.2 * loss)
            if run.rollouts is not None:
                for picture in run.rollouts.pictures:
                    (folder / picture).parent.mkdir(parents=True, exist_ok=True)
                    (folder / picture).write_bytes(png(96, 48))


def png(width: int, height: int) -> bytes:
    """A valid picture: a gradient."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in (x * 2 % 256, y * 4 % 256, 128))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def renamed(view: ReportView, name: str) -> ReportView:
    """The same view with the first case called `name` and labelled nothing."""
    first = msgspec.structs.replace(view.cases[0], name=name, label=None)
    return replace(view, cases=[first, *view.cases[1:]])


def effect(**changes: object) -> Effect:
    """An effect on the error, one seed each; `changes` replace fields."""
    base = Effect(
        metric="mae_linear_y", definition="mean |predicted - true|", unit="m/s", a=0.412, b=0.187,
        difference=-0.225, low=-0.31, high=-0.14, n=40, seeds=1,
        method=note("paired bootstrap over episodes"), p_value=0.0004, detectable=0.12,
        finding="suggestive",
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def confounded() -> Comparison:
    """The page's own pair for the balance question."""
    return Comparison(
        question=BALANCE,
        a=CASE_1,
        b=CASE_3,
        verdict="confounded",
        factors=[
            _factor("direction_balance", "100 % left", "50 % left", CASE_1, CASE_3),
            _factor("data_amount", "40 episodes", "80 episodes", CASE_1, CASE_3),
            _factor("optimiser_steps", "100", "200", CASE_1, CASE_3, derived=True),
            _factor("host", "a", "b", CASE_1, CASE_3, nuisance=True),
            Factor(name="seed", a="123", b="123", relation="held"),
            Factor(name="code", a=None, b="1.0", relation="unknown"),
        ],
        confounds=["data_amount", "optimiser_steps"],
        reasons=[note("two factors moved beside the one in question")],
        effects=[effect(), effect(metric="success_right", unit="1", a=0.05, b=0.95,
                                  difference=0.9, low=0.7, high=0.98, n=20, detectable=None)],
        would_settle=[
            Missing(case="control_balanced_250",
                    description={"data_amount": "40",
                                 "direction_balance": "50 % left, 50 % right"},
                    parts=[reason("design.separates", factor="direction_balance",
                                  others=["data_amount"])],
                    seconds=21.0),
        ],
    )  # fmt: skip


def valid() -> Comparison:
    """The fair pair, with nothing found."""
    return msgspec.structs.replace(
        confounded(),
        b="control_balanced_250",
        verdict="valid",
        factors=[_factor("direction_balance", "100 % left", "50 % left", CASE_1, CASE_3)],
        confounds=[],
        reasons=[],
        effects=[effect(finding="no_difference_found", low=-0.4, high=0.02)],
        would_settle=[],
    )


def _factor(name: str, a: str, b: str, run_a: str, run_b: str, **more: bool) -> Factor:
    return Factor(
        name=name, a=a, b=b, relation="moved", **more,
        evidence_a=Evidence(file=f"runs/{run_a}/20251203-093000/manifest.json", where="episodes"),
        evidence_b=Evidence(file=f"runs/{run_b}/20251203-093000/manifest.json", where="episodes"),
    )  # fmt: skip


def _case_1() -> CaseView:
    run = _run(CASE_1, Counts(left=40), Counts(left=10), offline=_offline(0.412, 0.2),
               rollouts=_rollouts(right=1))  # fmt: skip
    return _view_of_case(CASE_1, "Case 1", [run])


def _case_2() -> CaseView:
    refused = _run(CASE_2, None, None)
    refused = msgspec.structs.replace(
        refused, state="failed",
        why=note("weights .vlms/x.pt do not exist; nearest is weights/x.pt"),
        steps=None, best=None, latest=None, best_val_loss=None, final_val_loss=None,
        trained_parts={}, manifest_hash=None,
        conflicts=[note("case.yaml and events.jsonl disagree")],
    )  # fmt: skip
    return _view_of_case(CASE_2, "Case 2", [refused])


def _case_3() -> CaseView:
    run = _run(CASE_3, Counts(left=40, right=40), Counts(left=10, right=10),
               offline=_offline(0.187, 0.3), rollouts=_rollouts(right=19))  # fmt: skip
    return _view_of_case(CASE_3, "Case 3", [run])


def _view_of_case(name: str, label: str, runs: list[RunView]) -> CaseView:
    run = runs[-1]
    return CaseView(
        name=name, label=label, role="case", planned=run.resolved, after=[], attempts=1,
        runs=runs, run=run, state=run.state, why=run.why,
    )  # fmt: skip


def _resolved(case: str, data: Counts) -> ResolvedCase:
    init = WeightSource(name="robovlms", path="weights/x.pt") if "robovlms" in case else None
    return ResolvedCase(
        study="left_right", profile="laptop", case=case, attempt=0, init=init, data=data,
        vlm=WeightSource(name="kosmos-2", path="package:kosmos2-tiny"), train_data="left_right",
        evaluation_data="left_right_eval", recipe=Recipe(lora=Lora(r=16, alpha=32, dropout=0.0)),
        robot=RobotSettings(action=("linear_x", "linear_y"), step=0.4, full_speed=1.15),
    )  # fmt: skip


def _run(
    case: str,
    train: Counts | None,
    validation: Counts | None,
    *,
    offline: Offline | None = None,
    rollouts: Rollouts | None = None,
) -> RunView:
    path = f"runs/{case}/20251203-093000"
    evidence = Evidence(file=f"{path}/events.jsonl", where="line 12", blake3="ab" * 32)
    checkpoint = CheckpointView(
        path=f"{path}/checkpoints/step-000200/policy.safetensors", step=200, epoch=19,
        bytes=690_000, val_loss=0.0131, problem=None, evidence=evidence,
    )  # fmt: skip
    return RunView(
        path=path, case=case, resolved=_resolved(case, train or Counts(left=50)),
        state="finished", why=note("the exit event says finished at step 200"), evidence=[evidence],
        started=WHEN, last_sign=WHEN, steps=200, total_steps=200, seconds_per_step=0.1, epochs=20,
        train=train, validation=validation, manifest_hash="c0ffee" * 10, train_hashes=[],
        trained_parts={"text": 36864, "head": 118420}, best_val_loss=0.0131,
        final_val_loss=0.0157, best=checkpoint, latest=checkpoint, offline=offline,
        rollouts=rollouts, conflicts=[],
    )  # fmt: skip


def _offline(error: float, replay: float) -> Offline:
    return Offline(
        time=WHEN, checkpoint="checkpoints/best", checkpoint_blake3="ab" * 32,
        set=EpisodeSet(name="left_right_eval", hash="ef" * 32, episodes=["x"] * 40, left=20,
                       right=20),
        policy=_scored("policy", error),
        baselines=[_scored("mean_action", 0.7), _scored("replay_by_step", replay)],
        swap=Swap(change=1.52, follows=0.975, n=40),
    )  # fmt: skip


def _scored(name: str, error: float) -> Scored:
    metrics = [
        Metric(name="mae_linear_x", definition="mean |error|", unit="m/s", value=error / 2, n=680),
        Metric(name="mae_linear_y", definition="mean |error|", unit="m/s", value=error, n=680),
        Metric(name="direction_accuracy", definition="share", unit="1", value=1 - error, n=40),
    ]
    return Scored(name=name, metrics=metrics, by_direction={}, episodes=[])


def _rollouts(*, right: int) -> Rollouts:
    drives = [_drive(scene, "left", True) for scene in range(20)]
    drives += [_drive(scene, "right", scene < right) for scene in range(20)]
    return Rollouts(
        time=WHEN, checkpoint="checkpoints/best", checkpoint_blake3="ab" * 32, simulator="1",
        max_steps=25, rollouts=drives, pictures=["evaluation/rollouts.png"],
    )  # fmt: skip


def _drive(scene: int, direction: str, success: bool) -> Rollout:
    side = 1 if (direction == "left") == success else -1
    path = [(0.3 * step, side * 0.1 * min(step, 8) + 0.01 * scene) for step in range(16)]
    return Rollout(
        scene=scene, direction=direction, success=success, collision=not success and scene % 2 == 0,
        side="left" if side > 0 else "right", path_length=4.8, steps=16, path=path,
    )  # fmt: skip
