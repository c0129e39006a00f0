"""Whether the instruction moves the action, measured on validation episodes as an epoch ends.

The same frames are shown with other texts. With the instruction of another group, a policy that
follows it goes from the mean action of the recorded group to that of the other; one that ignores
it stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.policy import Policy
from mobile_vla.study.models import Recipe
from mobile_vla.training.data import Batch, EpisodeTensors
from mobile_vla.training.rank_group import RankGroup

OTHER = "other"
TEXTS: dict[str, Callable[[str], str]] = {
    "blank": lambda text: "",
    "full_stop": lambda text: text.removesuffix(".") if text.endswith(".") else f"{text}.",
    "nothing": lambda text: "do nothing",
}
"""Texts besides the other group's instruction, by the name that `metrics.csv` has for them."""
DEAF = 0.9
"""From this `val_unheard` on a validation warns."""


class _Other(NamedTuple):
    """The instruction of another group, and the way to its mean action (A,), normalised."""

    instruction: str
    way: torch.Tensor


class ValidationProbes:
    """The texts to show each validation episode with; made once a run.

    Texts with words that the VLM does not know are left out.
    """

    def __init__(self, policy: Policy, tensors: EpisodeTensors, manifest: Manifest) -> None:
        self.policy, self.tensors = policy, tensors
        self._others = _other_groups(tensors, manifest)
        texts = {tensors.instruction(episode.id) for episode in manifest.split("val")}
        self._texts = {
            name: change for name, change in TEXTS.items() if _is_known(policy, map(change, texts))
        }

    def measure(
        self,
        module: Any,
        recipe: Recipe,
        episodes: Sequence[ManifestEpisode],
        world: RankGroup,
    ) -> dict[str, float]:
        """`val_unheard`, and how far each text moves the first actions (`probe_…`).

        Each rank measures its share of the episodes; every rank returns the figures of all.
        """
        names = [*([OTHER] if self._others else []), *self._texts]
        sums = torch.zeros(len(names) + 3, dtype=torch.float64)
        mine = [e for e in world.share(episodes) if not self._others or e.direction in self._others]
        with torch.inference_mode():
            for start in range(0, len(mine), recipe.batch):
                chosen = mine[start : start + recipe.batch]
                sums += self._sums(module, recipe, chosen, names)
        *moved, count, along, way = world.total(sums).tolist()
        figures = {f"probe_{name}": value / count for name, value in zip(names, moved, strict=True)}
        return {"val_unheard": abs(1 - along / way), **figures} if way else figures

    def _sums(
        self, module: Any, recipe: Recipe, episodes: Sequence[ManifestEpisode], names: Sequence[str]
    ) -> torch.Tensor:
        """Of each text's change, of frames, and of changes along the way and the way's square."""
        batch = self.tensors.batch(episodes)
        before, valid, way = self._first(module, recipe, batch, batch.instructions)
        sums = [torch.zeros((), dtype=torch.float64)] * (len(names) + 3)
        for place, name in enumerate(names):
            now, _, _ = self._first(module, recipe, batch, self._shown(name, episodes))
            change = (now - before)[valid]
            sums[place] = change.norm(dim=-1).sum().double().cpu()
            if name == OTHER:
                sums[-2] = (change * way[valid]).sum().double().cpu()
        sums[-3] = valid.sum().double().cpu()
        sums[-1] = way[valid].square().sum().double().cpu()
        return torch.stack(sums)

    def _shown(self, name: str, episodes: Sequence[ManifestEpisode]) -> list[str]:
        if name == OTHER:
            return [self._others[episode.direction].instruction for episode in episodes]
        return [self._texts[name](self.tensors.instruction(episode.id)) for episode in episodes]

    def _first(
        self, module: Any, recipe: Recipe, batch: Batch, texts: Sequence[str]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """First actions (N, W, A), which frames count (N, W), and the ways (N, W, A)."""
        output, windows = module(batch.latents, list(texts), recipe.window)
        first = self.policy.head.actions(output)[..., 0, :]
        ways = [
            way.expand(len(latents), -1)
            for way, latents in zip(self._ways(batch), batch.latents, strict=True)
        ]
        return first, windows.valid, windows.of(torch.cat(ways).to(first.device))

    def _ways(self, batch: Batch) -> list[torch.Tensor]:
        none = torch.zeros(self.policy.head.action_dim)
        return [self._others[d].way if self._others else none for d in batch.directions]


def require_other_group(recipe: Recipe, manifest: Manifest) -> tuple[str, dict[str, float]]:
    """What the probes can be made of.

    Raises:
        UserError: the best checkpoint follows another group's instruction and there is none.
    """
    groups = sorted({episode.direction for episode in manifest.split("train")})
    if recipe.best_by == "val_unheard" and len(groups) < 2:
        raise UserError(phrase("probe.one_group", "en", group=", ".join(groups)))
    return f"{len(groups)} groups", {"groups": float(len(groups))}


def warning(figures: dict[str, float]) -> str | None:
    """A sentence where the action hardly follows the instruction."""
    unheard = figures.get("val_unheard")
    if unheard is None or unheard < DEAF:
        return None
    moved = figures[f"probe_{OTHER}"]
    return phrase("probe.unheard", "en", unheard=f"{unheard:.3g}", moved=f"{moved:.3g}")


def _other_groups(tensors: EpisodeTensors, manifest: Manifest) -> dict[str, _Other]:
    """For each group the next one by name; none where there is one group."""
    groups: dict[str, list[ManifestEpisode]] = {}
    for episode in manifest.split("train"):
        groups.setdefault(episode.direction, []).append(episode)
    if len(groups) < 2:
        return {}
    names = sorted(groups)
    means = {n: torch.cat([tensors.actions(e.id) for e in groups[n]]).mean(0) for n in names}
    return {
        name: _Other(tensors.instruction(groups[other][0].id), means[other] - means[name])
        for name, other in zip(names, [*names[1:], names[0]], strict=True)
    }


def _is_known(policy: Policy, texts: Any) -> bool:
    try:
        policy.backbone.tokenize(sorted(texts))
    except UserError:
        return False
    return True
