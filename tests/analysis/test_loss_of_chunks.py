"""A one-step loss beside a ten-step loss: compare names the chunk and compares no loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from run_folders import Maker


def test_losses_over_other_chunks_are_confounded_and_not_compared(maker: Maker) -> None:
    maker.finish("left_10")
    run = maker.finish("both_10")
    recipe = msgspec.structs.replace(run.case.recipe, chunk=1)
    run.case = msgspec.structs.replace(run.case, recipe=recipe)
    run.write_inputs()
    found = maker.book().compare(a="left_10", b="both_10", question="balance")
    assert found.verdict == "confounded"
    assert found.confounds == ["recipe.chunk"]
    assert not any("loss" in effect.metric for effect in found.effects)
