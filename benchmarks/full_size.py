"""Kosmos-2 at its real size, from a folder of random weights in the layout of the real one.

    python -m benchmarks full_size make /data/kosmos-2-random
    python -m benchmarks full_size measure /data/kosmos-2-random --dtype bfloat16

`make` writes config, a tokenizer of 65,037 tokens and sharded safetensors (3.3 GB in bfloat16).
`measure` loads it as a case does, takes one training step on one episode and one control step,
and prints times and peak memory. Random weights drive nowhere; they weigh and cost what real
ones do.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path

VOCABULARY = 65_037
SHARD_BYTES = 1 << 30
STD = 0.02


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


def measure(folder: Path, dtype: str, frames: int) -> None:
    """Load, train one step, drive one step; print what each took."""
    began = time.monotonic()
    import numpy as np
    import torch

    from mobile_vla.policy.controller import Controller
    from mobile_vla.policy.head import build_head
    from mobile_vla.policy.loading import load_vlm
    from mobile_vla.policy.lora import add_lora
    from mobile_vla.policy.normalise import action_statistics
    from mobile_vla.policy.policy import Policy

    torch.set_flush_denormal(True)
    began = _say("import", began)
    backbone, source = load_vlm(folder, dtype=getattr(torch, dtype))
    parameters = sum(p.numel() for p in backbone.network.parameters())
    began = _say(f"load, {parameters / 1e6:.1f} M parameters as {dtype}", began)
    print(f"loaded by part {source.loaded}, sha256 {source.sha256[:16]}…")
    if torch.cuda.is_available():
        backbone.cuda()
    head = build_head("lstm", backbone.hidden_size, hidden=512, layers=4, chunk=10, action_dim=2)
    policy = Policy(backbone, head, action_statistics([np.array([[1.15, -1.15]])], 2))
    add_lora(backbone, rank=32, alpha=16, dropout=0.1)
    policy = policy.to("cuda" if torch.cuda.is_available() else "cpu")
    size = backbone.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    instruction = "go around the box on the left, to the basket"
    with torch.no_grad():
        latents = policy.encode(torch.from_numpy(pixels))
    began = _say(f"vision of {frames} frames, latents {tuple(latents.shape)}", began)
    optimizer = torch.optim.AdamW(policy.trained_parameters(), lr=1e-4)
    policy.train()
    loss = policy([latents], [instruction], 8)[0].square().mean()
    loss.backward()
    optimizer.step()
    moved = sum(p.numel() for p in policy.trained_parameters() if p.grad is not None)
    began = _say(f"training step of {frames} frames, loss {loss:.4f}, {moved:,} trained", began)
    controller = Controller(policy, window=8)
    controller.reset([instruction])
    action = controller.act(pixels[:1])
    _say(f"control step, action {action[0].tolist()} m/s", began)


def _say(what: str, began: float) -> float:
    now = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what}: {now - began:.1f} s; peak memory so far {peak:.2f} GiB", flush=True)
    return time.monotonic()


def main(argv: Sequence[str]) -> int:
    """Without arguments nothing is measured: it takes a folder of 3.3 GB and up to 11 GB."""
    parser = argparse.ArgumentParser(
        prog="benchmarks full_size", description=__doc__.splitlines()[0]
    )
    actions = parser.add_subparsers(dest="action")
    actions.add_parser("make", help="write the folder").add_argument("folder", type=Path)
    measured = actions.add_parser("measure", help="load it and take one step of each kind")
    measured.add_argument("folder", type=Path)
    measured.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    measured.add_argument("--frames", type=int, default=8)
    options = parser.parse_args(argv)
    if options.action == "make":
        make(options.folder)
    elif options.action == "measure":
        measure(options.folder, options.dtype, options.frames)
    else:
        parser.print_help()
    return 0
