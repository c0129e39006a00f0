"""Runs of RoboVLMs and Lightning, read from configuration, console log and run folder."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.evidence.importers.formats.console_metrics import name_stamp
from mobile_vla.evidence.importers.formats.lightning_csv import read_hparams
from mobile_vla.evidence.importers.formats.run_log import Block, RunLog
from mobile_vla.evidence.importers.formats.unreadable import unreadable
from mobile_vla.evidence.importers.join_files import RunSources
from mobile_vla.evidence.importers.lightning_checkpoints import read_checkpoints
from mobile_vla.evidence.importers.log_state import run_state
from mobile_vla.evidence.importers.name_conflicts import own_conflicts
from mobile_vla.evidence.importers.run_builder import (
    Files,
    derived,
    factors_of,
    integer,
    known_settings,
    make_view,
)
from mobile_vla.evidence.importers.run_curve import Curve, log_losses, root_of_loss
from mobile_vla.evidence.model import (
    CheckpointView,
    EpisodesRead,
    EpochBar,
    Evidence,
    Foreign,
    Known,
    RunView,
)
from mobile_vla.messages.reason import Reason, reason

DATE = re.compile(r"/(\d{4}-\d{2}-\d{2})/")


class RunReader:
    """Reads one run's files; collects what contradicts and what cannot be read."""

    def __init__(self, run: RunSources, files: Files, *, complete: bool) -> None:
        self.run, self.files = run, files
        self.conflicts: list[Reason] = list(run.notes)
        self.makers: set[str] = set(run.log.makers) if run.log else set()
        self.log = run.log or RunLog()
        self.settings = self._settings()
        self.curve = Curve(run.folder, files)
        logged = log_losses(run.log_path, self.log, files)
        self.losses = logged if len(logged) >= len(self.curve.losses) else self.curve.losses
        self.checkpoints = self._checkpoints(complete)

    def view(self) -> RunView:
        """The run as one answer."""
        run, log = self.run, self.log
        foreign = self._foreign()
        verdict, evidence = run_state(run, foreign, self.files)
        roots = [root for metric in log.metrics.values() if (root := root_of_loss(metric))]
        conflicts = [*self.conflicts, *self.curve.problems, *log.problems, *roots,
                     *own_conflicts(run.name, foreign), *self._missing_losses(foreign)]  # fmt: skip
        total = self._steps(foreign, foreign.max_epochs) or log.total_steps
        return make_view(
            run.name, self._path(), verdict, evidence, foreign,
            conflicts=conflicts, factors=self._factors(foreign, total),
            steps=self._steps(foreign, len(log.epochs) and max(log.epochs) + 1) or self._done(),
            total_steps=total, epochs=self._epochs(), all_losses=self._has_all_losses(foreign),
        )  # fmt: skip

    def _path(self) -> Path:
        run = self.run
        if run.log_path:
            return run.log_path
        return run.folder.folder if run.folder else run.config_path or Path(run.name)

    def _epochs(self) -> int | None:
        if self.log.epochs:
            return max(self.log.epochs) + 1
        progress = self.log.progress
        return 0 if progress and progress.epoch == 0 else self.curve.epochs

    def _done(self) -> int | None:
        progress = self.log.progress
        return progress.done if progress and progress.epoch is None \
            and progress.unit == "step" else None  # fmt: skip

    def _has_all_losses(self, foreign: Foreign) -> bool:
        """Whether no epoch lacks its validation loss, so that the lowest is the run's best."""
        epochs = {loss.epoch for loss in self.losses}
        if not self.run.log:
            return True
        if foreign.max_epochs is not None:
            return len(epochs) >= foreign.max_epochs
        return epochs >= self.log.epochs

    def _settings(self) -> dict[str, Known]:
        run = self.run
        if run.log_path and self.log.settings:
            at = self.files.at(run.log_path, f"line {self.log.settings_line}")
            return known_settings(self.log.settings, at)
        if run.config_path:
            return known_settings(run.config, self.files.at(run.config_path))
        for path in run.folder.hparams if run.folder else ():
            try:
                return known_settings(read_hparams(path), self.files.at(path))
            except Exception as error:  # a file of another program can raise anything
                self.conflicts.append(unreadable(path.as_posix(), error))
        return {}

    def _checkpoints(self, complete: bool) -> list[CheckpointView] | None:
        if self.run.folder is None:
            return None
        views, conflicts, lightning = read_checkpoints(
            self.run.folder.checkpoints, self.losses, self.files, complete=complete
        )
        self.conflicts += conflicts
        if lightning or self.run.folder.lightning:
            self.makers.add("Lightning")
        return views

    def _foreign(self) -> Foreign:
        run, log = self.run, self.log
        train = self._episodes([block for block in log.blocks if block.training])
        steps = log.progress.of if log.progress and log.progress.epoch is not None else None
        batch = train.batch if train else None
        frozen = self.settings.get("train_setup.freeze_backbone")
        paths = [run.log_path, run.config_path, run.folder.folder if run.folder else None]
        return Foreign(
            maker=self._maker(),
            files=[path.as_posix() for path in paths if path],
            date=self._date(),
            train=train or self._printed_episodes(),
            validation=self._episodes([block for block in log.blocks if not block.training]),
            steps_per_epoch=steps,
            samples_per_epoch=steps * batch if steps and batch else None,
            max_epochs=integer(self.settings.get("trainer.max_epochs"))
            or integer(self.settings.get("max_epochs")),
            trained_parameters=log.trainable[1] if log.trainable else None,
            frozen=frozen.value == "True" if frozen else None,
            val_losses=self.losses,
            checkpoints=self.checkpoints,
            settings=self.settings,
            bars=self._bars(),
            log_stamp=name_stamp(run.log_path.name) if run.log_path else None,
            trained_at=self._at(log.trainable[0]) if log.trainable else None,
        )

    def _bars(self) -> list[EpochBar]:
        return [
            EpochBar(
                epoch=epoch, seconds=row.seconds, values=row.values, evidence=self._at(row.line)
            )
            for epoch, row in sorted(self.log.rows.items())
        ]  # fmt: skip

    def _maker(self) -> str:
        """Whose files they are, where something in them shows it."""
        if "robovlm_name" in self.settings:
            return "RoboVLMs"
        makers = self.makers | self.curve.makers
        return next((maker for maker in ("LeRobot", "HF Trainer", "Keras", "Lightning")
                     if maker in makers), "unknown")  # fmt: skip

    def _date(self) -> str | None:
        if self.run.folder and self.run.folder.date:
            return self.run.folder.date
        folder = self.settings.get("log_dir")
        match = DATE.search(folder.value) if folder else None
        return match[1] if match else None

    def _episodes(self, blocks: Sequence[Block]) -> EpisodesRead | None:
        if not blocks or self.run.log_path is None:
            return None
        values, line = blocks[-1].values, blocks[-1].lines.get("num_episodes")
        count = _count(values.get("num_episodes"))
        if count is None:
            return None
        return EpisodesRead(
            episodes=count,
            frames=_count(values.get("total_frames")),
            pattern=values.get("episode_pattern"),
            folder=values.get("data_dir"),
            batch=integer(self.settings.get("batch_size")),
            evidence=self._at(line, "num_episodes"),
        )

    def _printed_episodes(self) -> EpisodesRead | None:
        """The number of episodes that LeRobot prints."""
        if self.log.episodes is None:
            return None
        line, count = self.log.episodes
        return EpisodesRead(episodes=count, frames=None, pattern=None, folder=None,
                            batch=integer(self.settings.get("batch_size")),
                            evidence=self._at(line, "dataset.num_episodes"))  # fmt: skip

    def _at(self, line: int | None, key: str = "") -> Evidence:
        return self.files.line(self.run.log_path or Path(), line, key)

    def _steps(self, foreign: Foreign, epochs: int | None) -> int | None:
        """Optimiser steps of so many epochs: batches over the accumulated ones, as Lightning."""
        accumulate = integer(self.settings.get("trainer.accumulate_grad_batches"))
        if not (foreign.steps_per_epoch and accumulate and epochs):
            return None
        return math.ceil(foreign.steps_per_epoch / accumulate) * epochs

    def _factors(self, foreign: Foreign, total: int | None) -> dict[str, Known]:
        factors = factors_of(self.settings)
        if foreign.train is not None:
            at = foreign.train.evidence
            factors["data_amount"] = derived("data_amount", foreign.train.episodes, at)
        finished = self.log.ending is not None and self.log.ending.state == "finished"
        if finished and total is not None and self.run.log_path and self.log.progress:
            at = self._at(self.log.progress.line)
            factors["optimiser_steps"] = derived("optimiser_steps", total, at)
        return factors

    def _missing_losses(self, foreign: Foreign) -> list[Reason]:
        epochs = sorted({loss.epoch for loss in self.losses if loss.epoch is not None})
        total = foreign.max_epochs
        if not (self.run.log and epochs and total and len(epochs) < total):
            return []
        return [reason("import.losses_missing", count=len(epochs), total=total,
                       epochs=", ".join(map(str, epochs)))]  # fmt: skip


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and len(text) < 12 else None
