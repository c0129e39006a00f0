"""The lessons of the small VLMs: true labels, known words, the gate, the shipped weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.assets import NAMES, asset_path
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.heads import make_head
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.lora import hash_base
from mobile_vla.policy.normalisation import action_statistics
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.small_vlm import small_network, small_processor
from mobile_vla.pretraining import pretrain as vlm_pretrain
from mobile_vla.pretraining.held_out import (
    HeldOutFigure,
    encode_views,
    measure_driving,
    measure_text,
    require_clear_gap,
)
from mobile_vla.pretraining.labelled_arrays import (
    BASKET,
    BOX,
    Lessons,
    Views,
    collect_views,
    patch_shares,
)
from mobile_vla.pretraining.pretrain import HELD_OUT_VIEW, pretrain
from mobile_vla.pretraining.robot_tasks import RobotModel, draw_command, plain_command, towards
from mobile_vla.pretraining.text_stage import caption, draw_sentence, locate, on_side, predict_text
from mobile_vla.pretraining.vision_stage import teach_vision
from mobile_vla.runs.files import hash_file
from mobile_vla.simulator.scene import COLOURS
from small_weights import load_init


def silent(stage: str, done: int, total: int) -> None:
    pass


def small_backbone() -> Kosmos2Backbone:
    processor = small_processor()
    network = small_network(len(processor.tokenizer), seed=0).requires_grad_(False)
    return Kosmos2Backbone(network, processor.tokenizer)


@pytest.fixture(scope="module")
def rendered() -> Views:
    return collect_views(HELD_OUT_VIEW, 60, silent)


@pytest.fixture
def known() -> Views:
    """One view: a red box left, 0.9 m ahead; a blue basket right, 3 m ahead and 1 m right."""
    return Views(
        images=np.zeros((1, 64, 64, 3), np.uint8),
        shares=np.zeros((1, 64, 2), np.float32),
        visible=np.array([[True, True]]),
        box=np.array([[0.0, 0.5, 0.25, 1.0, 0.3, 0.6, 0.2]], np.float32),
        basket=np.array([[0.75, 0.25, 1.0, 0.5, 0.6, -1.0]], np.float32),
        colours=np.array([[COLOURS.index("red"), COLOURS.index("blue")]]),
        left_of=np.array([1]),
    )


def test_sentences_say_what_the_labels_say(known: Views) -> None:
    expected = "a red box near on the left and a blue basket far on the right"
    assert caption(known, 0).answer == f"<grounding>An image of {expected}"
    place = locate(known, 0, BOX, coloured=True)
    assert "the red box</phrase>?" in place.question
    assert place.answer == "<object><patch_index_0032><patch_index_0057></object> on the left"
    assert on_side(known, 0, left=True).answer == " the red box"
    assert on_side(known, 0, left=False).answer == " the blue basket"


def test_commands_drive_to_the_thing_and_stop_there(known: Views) -> None:
    there = towards(known, 0, BOX, away=False, coloured=True)
    assert there.instruction == "drive to the red box"
    driven = there.velocities[:, :2].sum(0) * 0.46
    np.testing.assert_allclose(driven, [0.9, 0.4], atol=1e-5)
    assert not there.velocities[3:].any() and np.abs(there.velocities).max() <= 1
    away = towards(known, 0, BASKET, away=True, coloured=False)
    np.testing.assert_allclose(away.velocities[0, :2] * np.sqrt(10), [-3, 1], atol=1e-5)
    assert plain_command(2).velocities[0].tolist() == [0, 0, 0, 0, 0, 1]


def test_patch_shares_go_row_by_row() -> None:
    mask = np.zeros((64, 64), bool)
    mask[0:8, 8:12] = True
    shares = patch_shares(mask)
    assert shares[1] == 0.5 and shares.sum() == 0.5


def test_rendered_labels_agree_with_each_other(rendered: Views) -> None:
    assert rendered.visible.any(0).all() and len(rendered) == 60
    shown = rendered.shares[:, :, BOX].sum(1) > 0
    assert shown[rendered.visible[:, BOX]].all()
    assert (rendered.box[~rendered.visible[:, BOX]] == 0).all()
    both = rendered.visible.all(1)
    assert ((rendered.left_of >= 0) == both).all()


def test_every_word_is_known_to_the_tokenizer(rendered: Views) -> None:
    backbone, rng = small_backbone(), np.random.default_rng(0)
    sentences = [draw_sentence(rendered, row % 60, rng) for row in range(300)]
    backbone.tokenize_text([s.question + s.answer for s in sentences])
    backbone.tokenize([draw_command(rendered, row % 60, rng).instruction for row in range(300)])


def test_only_the_answer_is_learnt(known: Views) -> None:
    backbone = small_backbone()
    _, targets = predict_text(backbone, torch.zeros(1, 4, 64), [on_side(known, 0, left=True)])
    learnt = backbone.tokenizer.convert_ids_to_tokens(targets[targets >= 0].tolist())
    assert learnt == ["▁the", "▁red", "▁box"]


def test_same_seed_same_weights(rendered: Views) -> None:
    hashes = set()
    for _ in range(2):
        backbone = small_backbone()
        torch.manual_seed(0)
        teach_vision(backbone, rendered, rng=np.random.default_rng(0), steps=3, progress=silent)
        hashes.add(hash_base(backbone))
    assert len(hashes) == 1
    assert hash_base(small_backbone()) not in hashes


def test_gate_needs_the_image_to_matter() -> None:
    require_clear_gap(
        [HeldOutFigure("loss", 0.2, 1.0), HeldOutFigure("right", 0.8, 0.1, higher_is_better=True)]
    )
    for deaf in (
        HeldOutFigure("loss", 1.0, 1.0),
        HeldOutFigure("right", 0.1, 0.8, higher_is_better=True),
        HeldOutFigure("loss", 0.2, 1.0, untaught=0.2),
    ):
        with pytest.raises(UserError, match="does not use the image"):
            require_clear_gap([deaf])


def test_vlm_that_learnt_nothing_is_not_saved(tmp_path: Path) -> None:
    few = Lessons(views=40, held_out=20, vision_steps=1, text_steps=1, robot_steps=1)
    with pytest.raises(UserError, match="not saved") as refused:
        pretrain("kosmos2-tiny", tmp_path, lessons=few)
    assert refused.value.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_what_stands_already_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remade to the bit where a file of it, the seed or the lessons are others."""
    monkeypatch.setattr(vlm_pretrain, "require_clear_gap", lambda figures: None)
    few = Lessons(views=40, held_out=20, vision_steps=1, text_steps=1, robot_steps=1)
    stages: list[str] = []

    def tell(stage: str, done: int, total: int) -> None:
        stages.append(stage)

    made = pretrain("kosmos2-tiny", tmp_path, lessons=few, progress=tell)
    weights, card = made / "model.safetensors", (made / "CARD.md").read_text()
    assert stages and "| measure | own image | another's image | random twin |" in card
    first = weights.read_bytes()
    stages.clear()
    assert pretrain("kosmos2-tiny", tmp_path, lessons=few, progress=tell) == made and not stages
    weights.write_bytes(first[:-1] + b"!")
    pretrain("kosmos2-tiny", tmp_path, lessons=few, progress=tell)
    assert stages and weights.read_bytes() == first
    assert (made / "CARD.md").read_text() == card
    pretrain("kosmos2-tiny", tmp_path, lessons=few, seed=1, progress=tell)
    assert weights.read_bytes() != first


def test_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="kosmos2-tiny"):
        pretrain("kosmos3", tmp_path)


def test_shipped_vlm_uses_the_image(rendered: Views) -> None:
    backbone, _ = load_vlm(asset_path("kosmos2-tiny"))
    with torch.no_grad():
        figures = measure_text(backbone, encode_views(backbone, rendered), rendered)
    require_clear_gap(figures)
    colours = figures[-1]
    assert colours.own_image > 0.5 > colours.other_image


def test_shipped_checkpoint_loads_onto_the_shipped_vlm() -> None:
    backbone, _ = load_vlm(asset_path("kosmos2-tiny"))
    vision = backbone.network.vision_model.state_dict()
    before = {name: value.clone() for name, value in vision.items()}
    start = hash_base(backbone)
    head = make_head("lstm", 64, hidden=8, layers=1, chunk=2, action_dim=2)
    policy = Policy(backbone, head, action_statistics([np.ones((2, 2))]))
    source = load_init(policy, asset_path("robovlms-tiny"))
    assert not source.missing and source.unexpected["head"].count == 32
    assert hash_base(backbone) != start
    assert all(torch.equal(before[name], value) for name, value in vision.items())


@pytest.mark.parametrize("name", NAMES)
def test_cards_name_the_shipped_files_hashes(name: str) -> None:
    path = asset_path(name)
    card = path / "CARD.md" if path.is_dir() else path.with_suffix(".CARD.md")
    listed = re.findall(r"^\| (\S+) \| [\d,]+ \| `([0-9a-f]{64})` \|$", card.read_text(), re.M)
    assert listed
    for file, digest in listed:
        assert hash_file(path / file if path.is_dir() else path) == digest


def test_shipped_checkpoint_drives_as_its_card_says(rendered: Views) -> None:
    """With its own head: the image tells where to, and another view's image does not."""
    backbone, _ = load_vlm(asset_path("kosmos2-tiny"))
    model = RobotModel(backbone)
    tensors = torch.load(asset_path("robovlms-tiny"), weights_only=True)["state_dict"]
    prefix = "model.act_head."
    head = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    model.act_head.load_state_dict(head)
    plain = {n.removeprefix("model.backbone."): v for n, v in tensors.items() if "backbone" in n}
    backbone.network.load_state_dict(plain)
    with torch.no_grad():
        model.action_token.copy_(tensors["model.action_token"])
        figure = measure_driving(model, encode_views(backbone, rendered), rendered)
    assert figure.own_image < 0.25 < 0.4 < figure.other_image
