"""Load an export in a process of its own and drive through recorded frames with it.

    python -m mobile_vla.serving.exports.read_back FORMAT FOLDER DRIVES.npz OUT.npz

FORMAT: hf and robovlms (transformers), onnx (onnxruntime and numpy alone), torch, or run for a
run's own checkpoint. DRIVES.npz holds `frames`, `ids`, `begins` (frames at which an episode begins)
and `window`; OUT.npz gets `actions`, `seconds` a step, `peak` bytes of memory and `program`.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mobile_vla.serving.exports.formats import GRAPHS


class LoadedExport(NamedTuple):
    """A loaded export: its control step on numpy arrays, and the program that runs it."""

    step: Callable[..., tuple[np.ndarray, np.ndarray]]
    program: str
    width: int


def main() -> None:
    """Read the arguments, drive, write the answer."""
    kind, folder, drives, out = sys.argv[1:]
    loaded = LOADERS[kind](Path(folder))
    with np.load(drives) as file:
        actions, seconds = _drive(loaded, dict(file))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    np.savez(out, actions=actions, seconds=seconds, peak=peak, program=np.array(loaded.program))


def _drive(loaded: LoadedExport, drives: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Actions (N, C, A) of all frames, with the history of their episodes, and seconds (N,)."""
    window, begins = int(drives["window"]), set(drives["begins"].tolist())
    episode, states = -1, np.zeros((0, loaded.width), np.float32)
    actions, seconds = [], []
    for number, frame in enumerate(drives["frames"]):
        if number in begins:
            episode, states = episode + 1, states[:0]
        ids = drives["ids"][episode]
        history = np.zeros((1, window - 1, loaded.width), np.float32)
        history[0, : len(states)] = states
        begin = time.perf_counter()
        chunk, state = loaded.step(
            frame[None], ids[ids >= 0][None], history, np.array([len(states)])
        )
        seconds.append(time.perf_counter() - begin)
        states = np.concatenate([states, state[0]])[-(window - 1) :] if window > 1 else states
        actions.append(chunk[0])
    return np.stack(actions), np.array(seconds)


def _load_onnx(folder: Path) -> LoadedExport:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        folder / GRAPHS["onnx"], options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    width = int(session.get_inputs()[2].shape[2])

    def step(*values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chunk, state = session.run(None, dict(zip(names, values, strict=True)))
        return chunk, state

    return LoadedExport(step, f"onnxruntime {onnxruntime.__version__}", width)


def _load_torch(folder: Path) -> LoadedExport:
    import torch

    program = torch.export.load(folder / GRAPHS["torch"])
    width = int(program.example_inputs[0][2].shape[2])
    return LoadedExport(_of_module(program.module()), f"torch {torch.__version__}", width)


def _load_huggingface(folder: Path) -> LoadedExport:
    """The VLM as transformers itself loads it, and the policy's head."""
    import transformers

    from mobile_vla.policy.checkpoints.load_vlm import load_vlm
    from mobile_vla.policy.checkpoints.merge_lora import POLICY
    from mobile_vla.policy.checkpoints.policy_checkpoint import load_policy

    policy = load_policy(folder / POLICY, load_vlm(folder)[0])
    policy.backbone.network = transformers.AutoModelForImageTextToText.from_pretrained(
        folder, dtype="auto"
    ).eval()
    policy.backbone.to(policy.backbone.network.dtype)
    return _of_policy(policy, f"transformers {transformers.__version__}")


def _load_robovlms(folder: Path) -> LoadedExport:
    """The VLM's class of transformers and RoboVLMs' head, every tensor from the file."""
    import transformers

    from mobile_vla.serving.exports.robovlms_format import read_robovlms

    return _of_policy(read_robovlms(folder), f"transformers {transformers.__version__}")


def _load_run(folder: Path) -> LoadedExport:
    """A checkpoint as the run left it: `folder` is that of the checkpoint."""
    from mobile_vla import __version__
    from mobile_vla.evaluation.offline import load_run
    from mobile_vla.runs.folder import RunFolder

    loaded = load_run(RunFolder(folder.parent.parent), folder.name)
    return _of_policy(loaded.policy, f"mobile_vla {__version__}")


def _of_policy(policy: Any, program: str) -> LoadedExport:
    from mobile_vla.serving.exports.control_step import ControlStep

    width = int(policy.backbone.hidden_size)
    return LoadedExport(_of_module(ControlStep(policy).eval()), program, width)


def _of_module(module: Any) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    import torch

    torch.set_num_threads(1)

    def step(*values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            chunk, state = module(*map(torch.from_numpy, values))
        return chunk.float().numpy(), state.float().numpy()

    return step


LOADERS = {
    "onnx": _load_onnx, "torch": _load_torch, "hf": _load_huggingface, "run": _load_run,
    "robovlms": _load_robovlms,
}  # fmt: skip

if __name__ == "__main__":
    main()
