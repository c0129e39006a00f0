"""The same case file trains another family's VLM; two lines of it change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Exit
from mobile_vla.runs.load_report import LoadReport
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training.build_policy import load_trained_policy
from mobile_vla.training.run import Refused, begin_run, train
from mobile_vla.training.run_checkpoints import POLICY
from small_lab import Lab, events_of
from tiny_smolvlm import build_smolvlm


@pytest.fixture(autouse=True)
def smolvlm(here: Lab, tmp_path: Path) -> None:
    folder = build_smolvlm(tmp_path / "smolvlm")
    here.change('vlms: {tiny: "package:kosmos2-tiny"}', f'vlms: {{small: "{folder}"}}')
    here.change("label: Case 1, vlm: tiny", "label: Case 1, vlm: small")
    here.text = here.text.replace("vlm: tiny", "vlm: small")  # the other cases', to be valid
    here.study.write_text(here.text)


def test_trains_and_comes_back(here: Lab, server: Any) -> None:
    here.context = server
    assert here.run("train", "Case 1").end() == 0, here.started[-1].stderr
    case, run = here.resolved("Case 1"), here.the_run("left_10")
    (ended,) = events_of(run.events, Exit)
    assert ended.outcome == "finished" and "frozen weights are unchanged" in ended.reason
    report = msgspec.json.decode(run.load_report.read_bytes(), type=LoadReport)
    assert set(report.sources[0].loaded) == {"vision", "projection", "text"}
    assert report.trainable["text"].parameters and not report.trainable["vision"].parameters
    losses = [loss for _, loss in read_metrics(run.metrics)["train_loss"]]
    assert losses[-1] < losses[0]
    policy = load_trained_policy(case, run.latest / POLICY)
    assert policy.backbone.network.config.model_type == "smolvlm"


def test_other_weights_in_its_folder_are_noticed(here: Lab, tmp_path: Path) -> None:
    case = here.resolved("Case 1")
    run = begin_run(case, here.workspace)
    train(run, here.workspace, terminal=False)
    build_smolvlm(tmp_path / "smolvlm", seed=6)
    with pytest.raises(UserError, match="trained on other frozen weights"):
        load_trained_policy(case, run.latest / POLICY)
    with pytest.raises(Refused, match="trained on other frozen weights"):
        train(run, here.workspace, resume=True, terminal=False)
    assert events_of(run.events, Exit)[-1].outcome == "refused"
