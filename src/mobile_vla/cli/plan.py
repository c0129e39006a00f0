"""`mvla plan`: what is done, running, to do and blocked, and the next steps."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mobile_vla.cli.compare import print_design
from mobile_vla.cli.open_book import casebook
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.catalogue import sentence

if TYPE_CHECKING:
    from mobile_vla.analysis.model import Plan


def plan(options: argparse.Namespace) -> None:
    """The plan of the study."""
    book = casebook(options)
    answer = book.plan()
    if options.json:
        print_json(answer)
        return
    print_plan(answer)
    if answer.design is not None:
        print_design(answer.design, book)


def print_plan(plan: Plan) -> None:
    """Each case's line, then the next steps in order, then where the study's page is wrong."""
    from mobile_vla.analysis.wording import duration
    from mobile_vla.analysis.wording_design import fault_sentence

    for item in plan.items:
        left = " to go" if item.state == "running" else ""
        cost = f", about {duration(item.seconds, 'en')}{left}" if item.seconds else ""
        share = f" {100 * item.progress:.0f} %" if item.state == "running" and item.progress else ""
        state = item.state.replace("_", " ")
        print(f"{state:8}{share} {item.label or item.case}: {sentence(item.why, 'en')}{cost}")
    if plan.next_steps:
        print("\nNext:")
    for number, step in enumerate(plan.next_steps, 1):
        print(f"{number}. {sentence(step, 'en')}")
    names = {item.case: item.label or item.case for item in plan.items}
    if plan.faults:
        print("\nWhat the study's page asks of the wrong pair:")
    for fault in plan.faults:
        print(f"- {fault_sentence(fault, names, 'en')}")
