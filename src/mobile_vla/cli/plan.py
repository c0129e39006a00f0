"""`mvla plan`: what is done, running, to do and blocked, and the next steps."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mobile_vla.cli.arguments import StudyOptions, add_json, add_study, runs
from mobile_vla.cli.open_book import casebook
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.catalogue import sentence

if TYPE_CHECKING:
    from mobile_vla.analysis.model import Plan


class PlanOptions(StudyOptions):
    """The study to plan."""

    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla plan`."""
    add_study(parser)
    add_json(parser)
    runs(parser, plan, PlanOptions, "mvla plan")


def plan(options: PlanOptions) -> None:
    """The plan of the study."""
    book = casebook(options)
    study_plan = book.printed_plan()
    if options.json:
        print_json(study_plan)
        return
    print_plan(study_plan)
    if study_plan.design is not None:
        from mobile_vla.cli.compare import print_design

        print_design(study_plan.design, book)


def print_plan(study_plan: Plan) -> None:
    """Each case's line, then the next steps in order, then where the study's page is wrong."""
    from mobile_vla.analysis.wording_design import fault_sentence
    from mobile_vla.messages.formats import duration

    for item in study_plan.items:
        left = " to go" if item.state == "running" else ""
        cost = f", about {duration(item.seconds, 'en')}{left}" if item.seconds else ""
        share = f" {100 * item.progress:.0f} %" if item.state == "running" and item.progress else ""
        state = item.state.replace("_", " ")
        print(f"{state:8}{share} {item.label or item.case}: {sentence(item.why, 'en')}{cost}")
    if study_plan.next_steps:
        print("\nNext:")
    for number, step in enumerate(study_plan.next_steps, 1):
        print(f"{number}. {sentence(step, 'en')}")
    names = {item.case: item.label or item.case for item in study_plan.items}
    if study_plan.faults:
        print("\nWhat the study's page asks of the wrong pair:")
    for fault in study_plan.faults:
        print(f"- {fault_sentence(fault, names, 'en')}")
