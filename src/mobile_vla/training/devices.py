"""Which precisions the hardware supports."""

from __future__ import annotations

import re
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def supports(precision: str) -> bool:
    """Whether the device that training would use has this precision (`32-true`, `bf16-mixed`…).

    Half precision (`16-…`) is a GPU's; bfloat16 a GPU's or a processor's that names it.
    """
    import torch

    if precision.startswith("32"):
        return True
    if torch.cuda.is_available():
        return precision.startswith("16") or torch.cuda.is_bf16_supported(including_emulation=False)
    return precision.startswith("bf16") and bool(BF16_FLAGS & processor_flags())


def processor_flags() -> set[str]:
    """The feature flags of the processor; empty if the system does not list them."""
    try:
        text = CPU_INFO.read_text()
    except OSError:
        return set()
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return set(line.group(1).split()) if line else set()
