"""Stored tensors are read without torch, and are those that torch reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mobile_vla.policy.checkpoints import stored_tensors
from mobile_vla.policy.checkpoints.stored_tensors import StoredTensor, hash_stored, read_stored
from mobile_vla.policy.checkpoints.weight_file import read_file
from mobile_vla.policy.lora import hash_tensors

MATRIX = torch.arange(48.0).view(6, 8)
CODES = torch.arange(256, dtype=torch.uint8)
TENSORS = {
    "matrix": MATRIX,
    "number": torch.tensor(3.5),
    "half": MATRIX.half(),
    "bfloat16": MATRIX.bfloat16(),
    "integers": torch.arange(5),
    "bool": torch.tensor([True, False]),
    "empty": torch.empty(0, 3),
    "nan": torch.tensor([1.5, torch.nan], dtype=torch.float64),
}
VIEWS = {
    "transposed": MATRIX.t(),
    "slice": MATRIX[1:3, 2:5],
    "expanded": torch.ones(1).expand(4, 4),
    "parameter": torch.nn.Parameter(MATRIX),
}
FLOAT8 = {
    name: CODES.clone().view(getattr(torch, name)) for name in ("float8_e4m3fn", "float8_e5m2")
}


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} went to torch")

    monkeypatch.setattr(stored_tensors, "_read_with_torch", refuse)


def zipped(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    torch.save({"state_dict": tensors, "epoch": 3}, path)
    return path


def safetensors(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path)
    return path


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize(
    ("write", "tensors"), [(zipped, TENSORS | VIEWS), (safetensors, TENSORS | FLOAT8)]
)
def test_stored_tensors_have_the_bytes_of_torchs(tmp_path, write, tensors) -> None:
    path = write(tmp_path / "a", tensors)
    stored, read = read_stored(path), read_file(path)
    assert stored.format == read.format and stored.tensors.keys() == tensors.keys()
    for name, tensor in stored.tensors.items():
        assert hash_stored([(name, tensor)]) == hash_tensors([(name, read.tensors[name])]), name
        values = read.tensors[name].detach().double().reshape(-1).numpy()
        assert np.array_equal(tensor.numbers().astype(float), values, equal_nan=True), name
        assert tensor.is_finite() == bool(np.isfinite(values).all()), name


@pytest.mark.parametrize("content", [
    {"state_dict": FLOAT8}, {"state_dict": {"w": torch.tensor([1 + 2j]).conj()}},
])  # fmt: skip
def test_torch_reads_what_is_not_read_here(tmp_path: Path, content: dict) -> None:
    torch.save(content, tmp_path / "a.pt")
    for name, tensor in read_stored(tmp_path / "a.pt").tensors.items():
        expected = content["state_dict"][name].resolve_conj()
        assert hash_stored([("", tensor)]) == hash_tensors([("", expected)])


def test_a_view_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.pt", {"w": torch.ones(4)})
    data = path.read_bytes()
    assert data.count(b"K\x04\x85") == 1  # the shape (4,)
    path.write_bytes(data.replace(b"K\x04\x85", b"K\x7f\x85"))
    with pytest.raises(Exception, match="damaged"):
        read_stored(path)


INSPECT = """
import sys
sys.modules["torch"] = None  # importing it raises ModuleNotFoundError
from mobile_vla.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def mvla_without_torch(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", INSPECT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_weights_are_inspected_and_compared_where_torch_is_missing(tmp_path: Path) -> None:
    a = zipped(tmp_path / "a.pt", {"w": torch.ones(4)})
    b = safetensors(tmp_path / "b.safetensors", {"w": torch.zeros(4)})
    shown = mvla_without_torch("weights", "inspect", a, b)
    assert shown.returncode == 0 and "torch state_dict" in shown.stdout, shown.stderr
    assert "apart by up to 1" in mvla_without_torch("weights", "diff", a, b).stdout


def test_a_file_that_only_torch_reads_names_the_extra(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    refused = mvla_without_torch("weights", "inspect", tmp_path / "a.pt")
    assert refused.returncode == 2 and 'pip install "mobile-vla[train]"' in refused.stderr
    torch.save({"w": torch.ones(2), "c": Path("x")}, tmp_path / "b.pt")
    refused = mvla_without_torch("weights", "inspect", tmp_path / "b.pt")
    assert "(pathlib" in refused.stderr and "nothing in it was executed" in refused.stderr


def test_a_stored_tensor_says_whether_it_is_finite() -> None:
    infinite = np.array([1.0, np.inf], np.float32).view(np.uint8)
    assert not StoredTensor("float32", (2,), infinite).is_finite()
