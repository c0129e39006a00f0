"""Kosmos-2 at its real size, from a folder of random weights in the layout of the real one.

    python -m benchmarks full_size make /data/kosmos-2-random
    python -m benchmarks full_size train /data/kosmos-2-random --workspace /data/w --dtype bfloat16

`make` writes config, a tokenizer of 65,037 tokens and sharded safetensors (3.3 GB in bfloat16).
`train` runs `mvla train` on five episodes of six frames, two optimiser steps, then loads the
policy and takes three control steps. Random weights drive nowhere; they weigh and cost what real
ones do.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

VOCABULARY = 65_037
SHARD_BYTES = 1 << 30
STD = 0.02
FRAMES = 6
STUDY = """
study: full_size
title: {{en: Full size, ko: 전체 크기}}
robot: {{action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}}
data: {{train: short, evaluation: short_eval}}
base:
  {{window: 4, chunk: 10, epochs: 1, batch: 1, accumulate: 2, learning_rate: 1e-4,
   lora: {{r: 32, alpha: 16, dropout: 0.1}}, head: {{hidden: 512, layers: 4}},
   frozen_dtype: {dtype}, precision: {precision}}}
profiles:
  laptop:
    note: {{en: random weights of the real size, ko: 실제 크기의 무작위 가중치}}
    vlms: {{kosmos-2: "{vlm}"}}
    inits: {{}}
    evaluation: {{left: 1}}
    rollout_scenes: 0
cases:
  - {{name: {dtype}_{precision}, vlm: kosmos-2, data: {{left: 5}}}}
"""


def make(folder: Path) -> None:
    """Write the folder; the same every time."""
    import torch
    from safetensors.torch import save_file
    from transformers import Kosmos2ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    processor = _processor()
    assert len(processor.tokenizer) == VOCABULARY, len(processor.tokenizer)
    processor.save_pretrained(folder)
    config = _config()
    config.save_pretrained(folder)
    with torch.device("meta"):
        network = Kosmos2ForConditionalGeneration(config)
    shapes = {n: tuple(p.shape) for n, p in network.named_parameters()}
    shards = _shards(shapes)
    total = 2 * sum(torch.Size(shape).numel() for shape in shapes.values())
    index: dict[str, str] = {}
    torch.manual_seed(0)
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file({n: _weight(n, shapes[n]) for n in names}, folder / file, {"format": "pt"})
        index |= dict.fromkeys(names, file)
        print(f"{file}: {len(names)} tensors", flush=True)
    content = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content, indent=2))


def _config():
    from transformers import Kosmos2Config

    return Kosmos2Config(
        architectures=["Kosmos2ForConditionalGeneration"],
        dtype="bfloat16",
        text_config={"vocab_size": VOCABULARY},
        vision_config={},
        latent_query_num=64,
    )


def _processor():
    """The real classes; the words are numbered but for those of the study's prompts."""
    from transformers import CLIPImageProcessorPil, Kosmos2Processor, XLMRobertaTokenizer

    from mobile_vla.policy.vocabulary import pieces

    known = [(piece, score) for piece, score in pieces() if piece != "<pad>"]
    known.insert(1, ("<pad>", 0.0))
    patches, tags = 1024, 11
    fillers = VOCABULARY - patches - tags - len(known)
    words = [*known, *((f"▁word{number:05d}", -9.0) for number in range(fillers))]
    tokenizer = XLMRobertaTokenizer(vocab=words, mask_token=None)
    return Kosmos2Processor(CLIPImageProcessorPil(), tokenizer, num_patch_index_tokens=patches)


def _shards(shapes: dict[str, tuple[int, ...]]) -> list[list[str]]:
    import torch

    shards: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        need = 2 * torch.Size(shape).numel()
        if size and size + need > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(name)
        size += need
    return shards


def _weight(name: str, shape: tuple[int, ...]):
    """Norms at one, biases at zero, all else normal."""
    import torch

    if len(shape) == 1:
        value = 1.0 if name.endswith("weight") else 0.0
        return torch.full(shape, value, dtype=torch.bfloat16)
    return torch.empty(shape).normal_(std=STD).to(torch.bfloat16)


def train(folder: Path, workspace: Path, dtype: str, precision: str) -> int:
    """`mvla train` on five short episodes, two optimiser steps, then `drive` its policy."""
    data = workspace / "data"
    if not (data / "short").exists():
        for name, count, seed in (("short", 5, 1), ("short_eval", 1, 2)):
            _short_episodes(workspace, name, count, seed)
    study = workspace / "study.yaml"
    study.write_text(STUDY.format(vlm=folder, dtype=dtype, precision=precision))
    where = ["--study", str(study), "--workspace", str(workspace)]
    began = time.monotonic()
    done = _run("mobile_vla.cli", "train", f"{dtype}_{precision}", *where)
    print(f"mvla train: {time.monotonic() - began:.0f} s, exit {done}", flush=True)
    if done:
        return done
    runs = workspace / "runs" / f"{dtype}_{precision}"
    return _run("benchmarks", "full_size", "drive", str(max(runs.iterdir())))


def _run(module: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


def _short_episodes(workspace: Path, name: str, count: int, seed: int) -> None:
    """Simulated episodes, cut after a few frames, taken in as recordings are."""
    from mobile_vla.episodes.formats.hdf5 import read_episode, write_episode
    from mobile_vla.simulator.simulate import simulate_dataset

    with tempfile.TemporaryDirectory() as place:
        whole, cut = Path(place) / "whole", Path(place) / "cut"
        simulate_dataset(whole, left=count, right=0, seed=seed, image_size=(224, 224))
        for file in sorted(whole.glob("*.h5")):
            episode = read_episode(file)
            images, actions = episode.images[:FRAMES], episode.actions[:FRAMES]
            short = dataclasses.replace(episode, images=images, actions=actions, event_types=None)
            write_episode(cut / file.name, short)
        split = ["--evaluation"] if name.endswith("eval") else []
        target = str(workspace / "data" / name)
        keep = ["--workspace", str(workspace)]
        _run("mobile_vla.cli", "episodes", "import", str(cut), target, *keep, *split)


def drive(run: Path) -> None:
    """A run's policy loaded as the product loads it; three control steps."""
    import numpy as np
    import torch

    from mobile_vla.policy.controller import Controller
    from mobile_vla.policy.memory import peak_bytes
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.study.case_file import read_case
    from mobile_vla.training.build_policy import load_trained_policy

    torch.set_flush_denormal(True)
    folder = RunFolder(run)
    case = read_case(folder.case_yaml)
    began = time.monotonic()
    policy = load_trained_policy(case, folder.best / "policy.safetensors")
    print(f"trained policy loaded, hash agrees: {time.monotonic() - began:.1f} s", flush=True)
    controller = Controller(policy, case.recipe.window)
    controller.reset(["go around the box on the left, to the basket"])
    size = policy.backbone.image_size
    frames = np.random.default_rng(0).integers(0, 256, (3, 1, size, size, 3), dtype=np.uint8)
    for frame in frames:
        began = time.monotonic()
        action = controller.act(frame)[0].tolist()
        print(f"control step {action} m/s: {time.monotonic() - began:.1f} s", flush=True)
    print(f"peak memory {peak_bytes() / 2**30:.1f} GiB")


def main(argv: Sequence[str]) -> int:
    """Without arguments nothing is measured: it takes a folder of 3.3 GB and up to 16 GB."""
    parser = argparse.ArgumentParser(
        prog="benchmarks full_size", description=__doc__.splitlines()[0]
    )
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("make", help="write the folder").add_argument("folder", type=Path)
    trained = actions.add_parser("train", help="train two steps on it and drive three")
    trained.add_argument("folder", type=Path)
    trained.add_argument("--workspace", type=Path, required=True)
    trained.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    trained.add_argument("--precision", default="32-true", choices=("32-true", "bf16-mixed"))
    actions.add_parser("drive", help="load a run and drive").add_argument("run", type=Path)
    options = parser.parse_args(argv)
    if options.action == "make":
        make(options.folder)
    elif options.action == "train":
        return train(options.folder, options.workspace, options.dtype, options.precision)
    elif options.action == "drive":
        drive(options.run)
    else:
        parser.print_help()
    return 0
