"""Stored vision features: what they hold, and that none can be stale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.episodes.manifest import ManifestEpisode
from mobile_vla.training import feature_store as features
from mobile_vla.training.feature_store import Features, features_folder
from mobile_vla.training.train_state import Training
from small_lab import Lab


@pytest.fixture
def training(here: Lab) -> Training:
    return here.training()


def anew(training: Training, cache: Path) -> Features:
    return Features(training.policy, training.tensors._frames, cache)


def row(training: Training) -> ManifestEpisode:
    return training.manifest.split("train")[0]


def test_what_is_stored_is_what_the_tower_gives_in_bf16(training: Training, tmp_path: Path) -> None:
    episode, own = row(training), anew(training, tmp_path / "own")
    latents = own.of(episode.id, episode.hash)
    with torch.no_grad():
        frames = torch.from_numpy(training.tensors._frames[episode.id].copy())
        wanted = training.policy.encode(frames)
    assert latents.dtype == torch.float32
    assert torch.equal(latents, wanted.to(torch.bfloat16).float())
    (file,) = (tmp_path / "own" / "latents").rglob("*.npy")
    assert file.stem == episode.hash
    assert np.load(file).nbytes == 2 * latents.numel()


def test_what_is_stored_is_what_is_used(training: Training, tmp_path: Path) -> None:
    episode, own = row(training), anew(training, tmp_path / "own")
    own.of(episode.id, episode.hash)
    assert own.folder is not None
    file = own.folder / f"{episode.hash}.npy"
    with open(file.with_suffix(".new"), "wb") as other:
        np.save(other, np.zeros_like(np.load(file)))
    file.with_suffix(".new").replace(file)
    assert not own.of(episode.id, episode.hash).any()


@pytest.mark.parametrize("what", ["vision", "projection", "mean", "transform"])
def test_of_other_weights_or_another_transform_it_is_another_file(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    network, before = training.policy.backbone.network, features_folder(training.policy, tmp_path)
    with torch.no_grad():
        if what == "vision":
            network.vision_model.model.post_layernorm.bias[0] += 1e-3
        elif what == "projection":
            network.image_to_text_projection.latent_query[0, 0] += 1e-3
        elif what == "mean":
            training.policy.backbone._mean[0] += 0.1
        else:
            monkeypatch.setattr(features, "TRANSFORM", "nearest-1")
    after = features_folder(training.policy, tmp_path)
    assert before is not None and after is not None and before != after


def test_the_text_decoder_is_no_part_of_the_address(training: Training, tmp_path: Path) -> None:
    before = features_folder(training.policy, tmp_path)
    with torch.no_grad():
        training.policy.backbone.network.text_model.model.layer_norm.bias[0] += 1.0
    assert features_folder(training.policy, tmp_path) == before


def test_nothing_is_stored_while_something_before_the_latents_trains(here: Lab) -> None:
    here.change("dropout: 0.1}", "dropout: 0.1, parts: [projection, text]}")
    (here.path / "cache").unlink()  # the link to what other tests share
    training = here.training()
    assert not training.tensors.stored
    latents = training.tensors.batch([row(training)]).latents[0]
    assert latents.requires_grad
    assert not (here.path / "cache" / "latents").exists()
