"""The casebook: every case, comparison and plan of a workspace, read anew at every asking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.analysis.comparison import NEEDED, ComparisonRequest, NotComparable, compare_pair
from mobile_vla.analysis.design.estimability import study_design
from mobile_vla.analysis.effects import adjust
from mobile_vla.analysis.model import Comparison, Design, Plan
from mobile_vla.analysis.pairwise import Matrix, verdict_matrix
from mobile_vla.analysis.plan import complete_commands, make_plan
from mobile_vla.evidence.drives import with_drives
from mobile_vla.evidence.group_runs import group_by_case, of_profile
from mobile_vla.evidence.model import CaseView, RunView, Survey
from mobile_vla.evidence.run_factors import DERIVED, planned_factors
from mobile_vla.evidence.run_view import view_run
from mobile_vla.messages.errors import UserError
from mobile_vla.messages.reason import Reason, reason
from mobile_vla.runs.folder import RunFolder, find_runs
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.command_line import command_line
from mobile_vla.study.load_study import DEFAULT_PROFILE
from mobile_vla.study.models import NUISANCE, Question, Study
from mobile_vla.study.strict_yaml import nearest

if TYPE_CHECKING:
    from mobile_vla.evidence.importers.scan_folders import Scanned

ViewRun = Callable[[RunFolder, Path, datetime], RunView]
ScanFolders = Callable[[Sequence[Path], Sequence[str]], "Scanned"]


def scan_evidence(folders: Sequence[Path], losses: Sequence[str]) -> Scanned:
    """Every run of another program below `folders`; `losses` as the study names them."""
    from mobile_vla.evidence.importers.scan_folders import scan

    return scan(folders, losses=losses)


"""Reads and judges one run of a workspace at a time."""


class Casebook:
    """What exists in `<workspace>/runs`, held against a study where one is given.

    `profile` chooses which runs speak; None takes the study's first, and all where there is no
    study. `evidence`: folders of runs that other programs made, which are scanned and gathered
    with the workspace's own. Nothing is stored: each method reads the files and the process table
    again.
    """

    def __init__(
        self,
        workspace: Path,
        study: Study | None = None,
        profile: str | None = None,
        *,
        study_path: Path = Path("study.yaml"),
        evidence: Sequence[Path] = (),
    ) -> None:
        """`study_path` is named in errors about the study."""
        self.workspace = workspace
        self.evidence = tuple(evidence)
        self.study = study
        self.profile = profile or (next(iter(study.profiles), None) if study else None)
        self.study_path = study_path
        self.nuisance = study.nuisance if study else NUISANCE
        self._moment: tuple[list[RunView], list[Reason]] | None = None
        self._survey: Survey | None = None

    def at_one_moment(
        self, view: ViewRun = view_run, scan: ScanFolders = scan_evidence
    ) -> Casebook:
        """The same casebook over runs and drives as they are now: all answers are of one moment.

        `view` reads a run, `scan` the evidence; a caller that asks often gives some that read only
        what changed.
        Raises: UserError where the study is at odds with the runs.
        """
        frozen = copy(self)
        frozen._moment = self._read(view, scan)
        frozen._survey = frozen.survey()
        return frozen

    def runs(self) -> list[RunView]:
        """Every run folder of the workspace, judged now, then every run that was scanned."""
        return self._read()[0]

    def cases(self) -> list[CaseView]:
        """The study's cases in its order, then those that only runs know."""
        return self.survey().cases

    def survey(self) -> Survey:
        """The same with what could not be read of the scanned folders.

        A study of which nothing was run here is left out where only scanned runs are found.
        """
        if self._survey is not None:
            return self._survey
        runs, problems = self._read()
        study = self.study
        if study and runs and all(run.foreign and not study.case(run.case) for run in runs):
            study = None
        cases = group_by_case(runs, study, self.profile, self.study_path)
        cases = with_drives(cases, self.workspace)
        return Survey(cases=cases, problems=problems)

    def _read(
        self, view: ViewRun = view_run, scan: ScanFolders = scan_evidence
    ) -> tuple[list[RunView], list[Reason]]:
        if self._moment is not None:
            return self._moment
        now = datetime.now(UTC)
        folders = find_runs(Workspace(self.workspace).runs)
        runs = [view(folder, self.workspace, now) for folder in folders]
        if not self.evidence:
            return runs, []
        losses = self.study.validation_losses if self.study else ()
        scanned = scan(self.evidence, losses)
        return runs + scanned.runs, [*scanned.problems, *scanned.unread]

    def case(self, name: str) -> CaseView:
        """The case of that name or label, or of one run's path, which then speaks alone.

        Raises: UserError that names the nearest case.
        """
        return _find(self.cases(), name)

    def compare(
        self, a: str, b: str, question: str | None = None, exploratory: bool = False
    ) -> Comparison:
        """The verdict on a pair, for a question of the study or a factor by name.

        Raises: UserError for an unknown case or question, and for identical arms.
        """
        cases = self._comparable()
        studied, factor = self._question(question, cases)
        return compare_pair(self._asked(cases, (a, b), studied, factor, exploratory=exploratory))

    def comparisons(
        self, question: str | None = None, exploratory: bool = False
    ) -> list[Comparison]:
        """All the study's questions: the page's pair of each, then its fair pair where it has one.

        p values are corrected by Holm's method over the valid ones. `question` asks for one of
        them alone. Raises: UserError for a question that the study does not ask.
        """
        questions = self._asked_of_study(question)
        return adjust(self._answers(self._comparable(), questions, exploratory=exploratory))

    def design(self) -> Design:
        """Which of the study's questions its finished cases can answer, and what would the rest."""
        return self._design(self._comparable())

    def _design(self, cases: list[CaseView]) -> Design:
        questions = self._asked_of_study(None)
        return study_design(cases, questions, self.nuisance, self._step_time(cases))

    def _asked_of_study(self, name: str | None) -> tuple[Question, ...]:
        questions = self.study.questions if self.study else ()
        if name is None:
            return questions
        chosen = tuple(question for question in questions if question.name == name)
        if not chosen:
            names = [question.name for question in questions]
            raise UserError(f"The study asks no question {name!r}: {nearest(name, names)}")
        return chosen

    def matrix(self, names: Sequence[str] = (), question: str | None = None) -> Matrix:
        """Verdicts on all pairs of these cases (all of the study where none is named).

        Without a question each pair is judged for the one factor that moved in it.
        """
        cases = self._comparable()
        studied, factor = self._question(question, cases)
        planned = [case.name for case in cases if case.planned] or [case.name for case in cases]
        chosen = [_find(cases, name).name for name in names] or planned

        def judge(a: str, b: str) -> Comparison:
            return compare_pair(self._asked(cases, (a, b), studied, factor, measure=False))

        return verdict_matrix(list(dict.fromkeys(chosen)), judge)

    def printed_plan(self) -> Plan:
        """The plan, each command with the study, profile and workspace it needs when pasted."""
        place = (self.study_path, self.profile or DEFAULT_PROFILE, self.workspace)
        return complete_commands(self.plan(), lambda command: command_line(command, *place))

    def plan(self) -> Plan:
        """Done, running, to do and blocked, and the next steps in their order."""
        cases = self._comparable()
        questions, pace = self._asked_of_study(None), self._step_time(cases)
        comparisons = self._answers(cases, questions, measure=False)
        design = self._design(cases) if questions else None
        return make_plan(cases, comparisons, self.profile, pace, design)

    def _answers(
        self, cases: list[CaseView], questions: tuple[Question, ...], **how: bool
    ) -> list[Comparison]:
        return [
            self._compare_or_say(cases, pair, question, **how)
            for question in questions
            for pair in (question.pair, question.fair_pair)
            if pair is not None
        ]

    def _asked(
        self,
        cases: list[CaseView],
        pair: tuple[str, str],
        question: Question | None,
        factor: str | None,
        **how: bool,
    ) -> ComparisonRequest:
        """`how`: `exploratory` and `measure` of `ComparisonRequest`."""
        return ComparisonRequest(
            a=_find(cases, pair[0]),
            b=_find(cases, pair[1]),
            question=question,
            factor=factor,
            nuisance=self.nuisance,
            cases=cases,
            seconds_per_step=self._step_time(cases),
            **how,
        )

    def _compare_or_say(
        self, cases: list[CaseView], pair: tuple[str, str], question: Question, **how: bool
    ) -> Comparison:
        try:
            return compare_pair(self._asked(cases, pair, question, question.factor, **how))
        except UserError as error:
            message = str(error)
            why = (
                error.why
                if isinstance(error, NotComparable)
                else reason("compare.refused", message=message)
            )
            return Comparison(
                question=question, a=pair[0], b=pair[1], verdict="not_comparable", factors=[],
                confounds=[], reasons=[why], effects=[], would_settle=[],
                factor=question.factor,
            )  # fmt: skip

    def _question(
        self, name: str | None, cases: list[CaseView]
    ) -> tuple[Question | None, str | None]:
        if name is None:
            return None, None
        questions = {q.name: q for q in (self.study.questions if self.study else ())}
        if name in questions:
            return questions[name], questions[name].factor
        factors = _factor_names(cases)
        if name in factors:
            return None, name
        raise UserError(
            f"There is no question or factor {name!r}: {nearest(name, [*questions, *factors])}"
        )

    def _comparable(self) -> list[CaseView]:
        """The cases, after checking the study's nuisances.

        Raises: UserError for a nuisance that is no factor, or that a question asks about.
        """
        cases = self.cases()
        factors = _factor_names(cases) | {*NUISANCE, *DERIVED, *NEEDED, "packages", "device"}
        for name in self.nuisance:
            if name not in factors:
                raise UserError(
                    f"{self.study_path}: nuisance {name!r} is no factor: "
                    f"{nearest(name, sorted(factors))}"
                )
        for question in self.study.questions if self.study else ():
            if question.factor in self.nuisance:
                raise UserError(
                    f"{self.study_path}: question {question.name} asks of {question.factor}, "
                    "which the study declares a nuisance: take it out of `nuisance`."
                )
        return cases

    def _step_time(self, cases: list[CaseView]) -> float | None:
        """Median seconds of an optimiser step over the profile's runs; the upper of two."""
        measured = [
            run.seconds_per_step
            for case in cases
            for run in of_profile(case.runs, self.profile)
            if run.seconds_per_step is not None
        ]
        return sorted(measured)[len(measured) // 2] if measured else None


def _factor_names(cases: list[CaseView]) -> set[str]:
    """Every factor that a run tells or a case plans."""
    names = {factor for case in cases for run in case.runs for factor in run.factors}
    return names | {f for case in cases if case.planned for f in planned_factors(case.planned)}


def _find(cases: list[CaseView], name: str) -> CaseView:
    for case in cases:
        if name in (case.name, case.label):
            return case
        for run in case.runs:
            if name == run.path:
                return msgspec.structs.replace(
                    case, name=name, label=None, runs=[run], run=run, state=run.state, why=run.why
                )
    if not cases:
        raise UserError(f"There is no case {name!r}, nor any other: train one with `mvla train`.")
    names = [case.name for case in cases] + [case.label for case in cases if case.label]
    raise UserError(f"There is no case {name!r}: {nearest(name, names)}")
