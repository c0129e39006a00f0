"""Runs of RoboVLMs and Lightning, put together from configuration, console log and run folder."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mobile_vla.evidence.importers.console_log import Block, Log, Said
from mobile_vla.evidence.importers.discover import RunFiles
from mobile_vla.evidence.importers.lightning_checkpoints import read_checkpoints
from mobile_vla.evidence.importers.lightning_csv import read_hparams, read_val_losses
from mobile_vla.evidence.importers.name_conflicts import own_conflicts
from mobile_vla.evidence.importers.run_builder import (
    Files,
    derived,
    factors_of,
    make_view,
    settings_known,
    whole_number,
)
from mobile_vla.evidence.importers.tensorboard_events import read_scalars
from mobile_vla.evidence.importers.tolerant_config import Settings
from mobile_vla.evidence.model import (
    CheckpointView,
    EpisodesRead,
    Evidence,
    Foreign,
    Known,
    Loss,
    RunView,
    State,
)
from mobile_vla.messages.errors import reason_of
from mobile_vla.messages.reason import Reason, reason

DATE = re.compile(r"/(\d{4}-\d{2}-\d{2})/")


@dataclass(slots=True)
class Trained:
    """What was found of one run. `warnings`: of its configuration and the ties between files."""

    name: str
    log_path: Path | None = None
    log: Log | None = None
    folder: RunFiles | None = None
    config_path: Path | None = None
    config: Settings = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Reader:
    """Reads one run's files; collects what contradicts and what cannot be read."""

    def __init__(self, run: Trained, files: Files, *, whole: bool) -> None:
        self.run, self.files, self.whole = run, files, whole
        self.conflicts = list(run.warnings)
        self.log = run.log or Log()
        self.settings = self._settings()
        self.losses = self._losses()
        self.checkpoints = self._checkpoints()

    def view(self) -> RunView:
        """The run as one answer."""
        run, log = self.run, self.log
        foreign = self._foreign()
        verdict, evidence = self._state(foreign)
        conflicts = [*self.conflicts, *log.problems, *own_conflicts(run.name, foreign)]
        conflicts += self._missing_losses(foreign)
        path = run.folder.folder if run.folder and not run.log_path else run.log_path
        every = foreign.max_epochs is not None and len(self.losses) >= foreign.max_epochs
        total = self._steps(foreign, foreign.max_epochs)
        return make_view(
            run.name, path or run.config_path or Path(run.name), verdict, evidence, foreign,
            conflicts=conflicts, factors=self._factors(foreign, total),
            steps=self._steps(foreign, len(log.epochs) and max(log.epochs) + 1),
            total_steps=total, whole=every or not run.log,
        )  # fmt: skip

    def _settings(self) -> dict[str, Known]:
        run = self.run
        if run.log_path and self.log.settings:
            at = self.files.at(run.log_path, f"line {self.log.settings_line}")
            return settings_known(self.log.settings, at)
        if run.config_path:
            return settings_known(run.config, self.files.at(run.config_path))
        for path in run.folder.hparams if run.folder else ():
            try:
                return settings_known(read_hparams(path), self.files.at(path))
            except (OSError, ValueError) as error:
                self._broken(path, error)
        return {}

    def _losses(self) -> list[Loss]:
        path = self.run.log_path
        found = [
            Loss(epoch=epoch, value=value, evidence=self._said(path, line))
            for epoch, (line, value) in sorted(self.log.val_losses.items())
            if path is not None
        ]
        return found or self._curve()

    def _curve(self) -> list[Loss]:
        """From `metrics.csv`, else from TensorBoard's events; a repeated epoch counts once."""
        folder, by_epoch = self.run.folder, dict[int | None, Loss]()
        for path in folder.metrics if folder else ():
            try:
                for line, epoch, value in read_val_losses(path):
                    at = self.files.at(path, f"line {line}")
                    by_epoch[epoch] = Loss(epoch=epoch, value=value, evidence=at)
            except (OSError, ValueError) as error:
                self._broken(path, error)
        for path in folder.events if folder and not by_epoch else ():
            self._events(path, by_epoch)
        return list(by_epoch.values())

    def _events(self, path: Path, by_epoch: dict[int | None, Loss]) -> None:
        try:
            found = read_scalars(path)
        except OSError as error:
            self._broken(path, error)
            return
        if found.problem:
            self.conflicts.append(f"{path.as_posix()}: {found.problem}")
        epochs = {step: int(value) for _, step, value in found.tags.get("epoch", [])}
        for record, step, value in found.tags.get("val_loss", found.tags.get("val/loss", [])):
            at = self.files.at(path, f"record {record}, step {step}")
            epoch = epochs.get(step, len(by_epoch))
            by_epoch[epoch] = Loss(epoch=epoch, value=value, evidence=at)

    def _checkpoints(self) -> list[CheckpointView] | None:
        if self.run.folder is None:
            return None
        views, conflicts = read_checkpoints(
            self.run.folder.checkpoints, self.losses, self.files, whole=self.whole
        )
        self.conflicts += conflicts
        return views

    def _foreign(self) -> Foreign:
        run, log = self.run, self.log
        train = self._episodes([block for block in log.blocks if block.training])
        steps = log.bar[3] if log.bar else None
        batch = train.batch if train else None
        frozen = self.settings.get("train_setup.freeze_backbone")
        paths = [run.log_path, run.config_path, run.folder.folder if run.folder else None]
        return Foreign(
            maker=self._maker(),
            files=[path.as_posix() for path in paths if path],
            date=self._date(),
            train=train,
            validation=self._episodes([block for block in log.blocks if not block.training]),
            steps_per_epoch=steps,
            samples_per_epoch=steps * batch if steps and batch else None,
            max_epochs=whole_number(self.settings.get("trainer.max_epochs"))
            or whole_number(self.settings.get("max_epochs")),
            trained_parameters=log.trainable[1] if log.trainable else None,
            frozen=frozen.value == "True" if frozen else None,
            val_losses=self.losses,
            checkpoints=self.checkpoints,
            settings=self.settings,
        )

    def _maker(self) -> str:
        if "robovlm_name" in self.settings:
            return "RoboVLMs"
        return "Lightning" if self.run.folder or self.log.bar else "unknown"

    def _date(self) -> str | None:
        if self.run.folder and self.run.folder.date:
            return self.run.folder.date
        told = self.settings.get("log_dir")
        match = DATE.search(told.value) if told else None
        return match[1] if match else None

    def _episodes(self, blocks: Sequence[Block]) -> EpisodesRead | None:
        if not blocks or self.run.log_path is None:
            return None
        values, said = blocks[-1].values, blocks[-1].lines.get("num_episodes")
        count = _count(values.get("num_episodes"))
        if count is None:
            return None
        return EpisodesRead(
            episodes=count,
            frames=_count(values.get("total_frames")),
            pattern=values.get("episode_pattern"),
            folder=values.get("data_dir"),
            batch=whole_number(self.settings.get("batch_size")),
            evidence=self._said(self.run.log_path, said, "num_episodes"),
        )

    def _steps(self, foreign: Foreign, epochs: int | None) -> int | None:
        """Optimiser steps of so many epochs: batches over the accumulated ones, as Lightning."""
        accumulate = whole_number(self.settings.get("trainer.accumulate_grad_batches"))
        if not (foreign.steps_per_epoch and accumulate and epochs):
            return None
        return math.ceil(foreign.steps_per_epoch / accumulate) * epochs

    def _factors(self, foreign: Foreign, total: int | None) -> dict[str, Known]:
        found = factors_of(self.settings)
        if foreign.train is not None:
            at = foreign.train.evidence
            found["data_amount"] = derived("data_amount", foreign.train.episodes, at)
        finished = self.log.end is not None and self.log.end[0] == "finished"
        if finished and total is not None and self.run.log_path and self.log.bar:
            at = self._said(self.run.log_path, self.log.bar[0])
            found["optimiser_steps"] = derived("optimiser_steps", total, at)
        return found

    def _missing_losses(self, foreign: Foreign) -> list[str]:
        of, have = foreign.max_epochs, len(self.losses)
        if not (self.run.log and self.losses and of and have < of):
            return []
        epochs = ", ".join(str(loss.epoch) for loss in self.losses)
        return [
            f"its log holds the validation loss of {have} of {of} epochs (epoch {epochs}), "
            "so which was the best is not known from it"
        ]

    def _state(self, foreign: Foreign) -> tuple[tuple[State, str | Reason], list[Evidence]]:
        path = self.run.log_path
        if path is not None and self.log.end is not None:
            kind, said = self.log.end
            evidence = [self._said(path, said.line)]
            if kind == "finished":
                return self._finished(said, evidence)
            state: State = "failed" if kind == "failed" else "killed"
            return (state, self._with_progress(said.text)), evidence
        if path is not None:
            ending = self._with_progress("its log ends without a word of how the run ended")
            return ("unknown", ending), [self.files.at(path)]
        if self.run.folder is not None:
            return self._folder_only(self.run.folder, foreign)
        why = "its configuration is here and no log or folder of a run: whether it ran is unknown"
        return ("unknown", why), [self.files.at(self.run.config_path or Path())]

    def _finished(
        self, said: Said, evidence: list[Evidence]
    ) -> tuple[tuple[State, str | Reason], list[Evidence]]:
        why = f"its log says {said.text}"
        if self.checkpoints is None:
            return ("finished", f"{why}; its checkpoints were not among what was scanned"), evidence
        good = [view for view in self.checkpoints if view.problem is None]
        if not good:
            return ("unverified", f"{why}, but no checkpoint of it loads"), evidence
        return ("finished", f"{why}, and its checkpoint loads"), [*evidence, good[-1].evidence]

    def _folder_only(
        self, folder: RunFiles, foreign: Foreign
    ) -> tuple[tuple[State, str | Reason], list[Evidence]]:
        views = self.checkpoints or []
        good = [view for view in views if view.problem is None]
        evidence = [view.evidence for view in views] + [loss.evidence for loss in self.losses[-1:]]
        reached = self.losses[-1].epoch if self.losses else None
        whole = foreign.max_epochs is not None and reached == foreign.max_epochs - 1
        if whole and good:
            why = (
                f"its curve reaches the last of {foreign.max_epochs} epochs and a checkpoint loads"
            )
            return ("finished", why), evidence
        if whole:
            why = f"its curve reaches the last of {foreign.max_epochs} epochs, no checkpoint loads"
            return ("unverified", why), evidence
        have = f"{len(views)} checkpoints of which {len(good)} load" if views else "no checkpoint"
        why = f"no log of it was scanned, so how it ended is unknown; it has {have}"
        return ("unknown", why), evidence or [self.files.at(folder.folder)]

    def _with_progress(self, text: str) -> str | Reason:
        if self.log.bar is None:
            if not self.log.blocks:
                return reason("run.ended_before_data", text=text)
            return f"{text} (after the data were read)"
        _, epoch, done, of = self.log.bar
        return f"{text} (at epoch {epoch}, step {done} of {of})"

    def _said(self, path: Path, line: int | None, what: str = "") -> Evidence:
        where = "" if line is None else f"line {line}"
        return self.files.at(path, ", ".join(part for part in (where, what) if part))

    def _broken(self, path: Path, error: Exception) -> None:
        self.conflicts.append(f"{path.as_posix()} cannot be read: {reason_of(error)}")


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and len(text) < 12 else None
