"""Folders of weights: Hugging Face (one file or shards), peft adapters, DeepSpeed, LeRobot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.torch_layout import FileContent

NAMES = ("model.safetensors", "pytorch_model.bin")
"""Weight files of a Hugging Face folder, in order of choice; an index beside lists shards."""
ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER_CONFIG = "adapter_config.json"
LEROBOT = "pretrained_model"
"""The folder of a LeRobot checkpoint that holds its weights."""
DEEPSPEED = "*mp_rank_*_model_states.pt"
SINGLE_FILES = {".ckpt", ".pt", ".pth", ".safetensors"}
SHOWN = 3
Read: TypeAlias = Callable[[Path], FileContent]
"""Reads one weight file."""


class FolderContent(NamedTuple):
    """The files that were read, and their tensors together."""

    files: list[Path]
    content: FileContent


def read_folder(folder: Path, read: Read) -> FolderContent:
    """The weights of a folder, each file of them by `read`.

    Raises:
        UserError: the folder holds no weights that can be read, a file of it is damaged, or its
            index and its shards disagree.
    """
    for reader in (_huggingface, _adapter, _lerobot, _deepspeed):
        if (content := reader(folder, read)) is not None:
            return content
    raise UserError(f"{folder} {_nothing_readable(folder)}")


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a Hugging Face folder, sorted.

    Raises:
        UserError: there are none, a shard is missing, or two sets of weights lie side by side.
    """
    names = [n for n in NAMES if (folder / n).is_file() or _index(folder, n).is_file()]
    if not names:
        raise UserError(f"{folder} {_nothing_readable(folder)}")
    name = names[0]
    if not _index(folder, name).is_file():
        return [folder / name]
    if (folder / name).is_file():
        raise UserError(
            f"{folder} holds both {name} and {name}.index.json, and programs differ in which they "
            "read: move one of the two sets of weights away."
        )
    files = [folder / shard for shard in sorted(set(_weight_map(folder, name).values()))]
    if missing := [file.name for file in files if not file.is_file()]:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}: give a Hugging Face folder with its weights."
        )
    return files


def _huggingface(folder: Path, read: Read) -> FolderContent | None:
    name = next((n for n in NAMES if (folder / n).is_file() or _index(folder, n).is_file()), None)
    if name is None:
        return None
    files = weight_files(folder)
    by_file = {file.name: read(file).tensors for file in files}
    if _index(folder, name).is_file():
        _require_agreement(folder, name, by_file)
    tensors = {key: tensor for shard in by_file.values() for key, tensor in shard.items()}
    return FolderContent(files, FileContent("huggingface", tensors, {}))


def _index(folder: Path, name: str) -> Path:
    return folder / f"{name}.index.json"


def _weight_map(folder: Path, name: str) -> dict[str, str]:
    """Tensor names to file names of an index; a name that leads out of the folder is refused."""
    index = _index(folder, name)
    content = _json(index)
    entries = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"{index} is damaged: copy the folder again.")
    for shard in entries.values():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise UserError(
                f"{index} names the shard {shard!r}, which is no file of its folder: copy the "
                "folder again."
            )
    return entries


def _require_agreement(folder: Path, name: str, by_file: Mapping[str, Mapping[str, Any]]) -> None:
    entries, index = _weight_map(folder, name), _index(folder, name)
    lacking = sorted(tensor for tensor, shard in entries.items() if tensor not in by_file[shard])
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise UserError(
            f"{index} lists {lacking[0]}{more}, which {entries[lacking[0]]} lacks: copy the folder "
            "again, or save the model anew."
        )
    stem, suffix = name.split(".")
    strangers = sorted(
        file.name for file in folder.glob(f"{stem}-*.{suffix}") if file.name not in by_file
    )
    if strangers:
        raise UserError(
            f"{strangers[0]} stands in {folder} and no entry of {index.name} names it: copy the "
            "folder again, or save the model anew."
        )


def _adapter(folder: Path, read: Read) -> FolderContent | None:
    """A folder of peft: the adapters alone, with the scale that only its configuration knows."""
    file = next((folder / n for n in ADAPTERS if (folder / n).is_file()), None)
    if file is None:
        return None
    config = _json(folder / ADAPTER_CONFIG) if (folder / ADAPTER_CONFIG).is_file() else {}
    if not isinstance(config, dict):
        raise UserError(f"{folder / ADAPTER_CONFIG} is damaged: copy the folder again.")
    kind, rank, alpha = (config.get(key) for key in ("peft_type", "r", "lora_alpha"))
    detail = f"{kind} r {rank}, alpha {alpha}" if config else f"without {ADAPTER_CONFIG}"
    return FolderContent([file], FileContent(f"peft adapter, {detail}", read(file).tensors, config))


def _lerobot(folder: Path, read: Read) -> FolderContent | None:
    inner = folder / LEROBOT
    return read_folder(inner, read) if inner.is_dir() and not inner.is_symlink() else None


def _deepspeed(folder: Path, read: Read) -> FolderContent | None:
    """A DeepSpeed checkpoint whose one model file holds all tensors (ZeRO stages 0 to 2)."""
    files = sorted([*folder.glob(DEEPSPEED), *folder.glob(f"*/{DEEPSPEED}")])
    if not files:
        return None
    content = read(files[0]) if len(files) == 1 else None
    if content is None or any(0 in tensor.shape for tensor in content.tensors.values()):
        raise UserError(
            f"{folder} is a DeepSpeed checkpoint whose tensors are spread over several files: run "
            "its zero_to_fp32.py and give the file that it writes."
        )
    return FolderContent(files, content._replace(format="deepspeed module"))


def _nothing_readable(folder: Path) -> str:
    """What a folder without readable weights is instead, and what to do."""
    if (folder / ".metadata").is_file() or next(folder.glob("*.distcp"), None):
        return (
            "is a checkpoint of torch.distributed (FSDP), which is not read: convert it with "
            "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE`."
        )
    if (folder / ADAPTER_CONFIG).is_file():
        return f"is a peft adapter without {ADAPTERS[0]}: copy the folder again."
    files = sorted(file.name for file in folder.iterdir() if file.suffix in SINGLE_FILES)
    if files:
        return f"lacks {NAMES[0]} but holds {', '.join(files[:SHOWN])}: give one of these files."
    return f"lacks {NAMES[0]}: give a Hugging Face folder with its weights."


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: copy the folder again.") from error
