"""The place of this process among those that train one case; without torch, to start quickly."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mobile_vla.messages.errors import UserError


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launcher (torchrun, srun) says of this process; alone without one."""

    rank: int = 0
    size: int = 1
    nodes: int = 1
    local_rank: int = 0

    def ranks(self, of_profile: int) -> int:
        """Processes that train a case: all that a launcher started, else the profile's."""
        return self.size if self.size > 1 else of_profile


def launch() -> Launch:
    """This process's place by torchrun's or SLURM's variables.

    Raises:
        UserError: one of them is no number.
    """
    if "RANK" in os.environ:
        size, local = _number("WORLD_SIZE", 1), max(1, _number("LOCAL_WORLD_SIZE", 1))
        return Launch(_number("RANK", 0), size, size // local, _number("LOCAL_RANK", 0))
    if "SLURM_STEP_ID" in os.environ:  # a batch script outside a step has the others as well
        return Launch(
            _number("SLURM_PROCID", 0),
            _number("SLURM_NTASKS", 1),
            _number("SLURM_NNODES", 1),
            _number("SLURM_LOCALID", 0),
        )
    return Launch()


def _number(name: str, unset: int) -> int:
    try:
        return int(os.environ.get(name, unset))
    except ValueError:
        value = os.environ[name]
        raise UserError(f"The variable {name} is {value!r}, not a number: unset it.") from None
