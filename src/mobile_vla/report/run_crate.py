"""A study's runs as a Workflow Run RO-Crate: what was executed, from what, with which result.

The study file is the workflow, each run an action. Weights are named by their hash and stay where
they are. Sources: https://w3id.org/ro/crate/1.1 and https://w3id.org/ro/wfrun/workflow/0.5
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mobile_vla import __version__
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.evidence.model import CaseView, RunView
from mobile_vla.messages.catalogue import phrase, sentence
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import folder_beside
from mobile_vla.runs.outside_files import read_regular
from mobile_vla.study.models import Study

METADATA = "ro-crate-metadata.json"
STUDY = "study.yaml"
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
CONTEXT = f"{CRATE}/context"
INPUTS = {"case.yaml": "application/yaml", "manifest.json": "application/json"}
RESULTS = {
    "events.jsonl": "application/jsonl",
    "load_report.json": "application/json",
    "environment.json": "application/json",
    "metrics.csv": "text/csv",
    "evaluation/offline.json": "application/json",
    "evaluation/rollouts.json": "application/json",
}
"""Files of a run that go into the crate, with their media types."""
STATUS = {
    "finished": "CompletedActionStatus",
    "running": "ActiveActionStatus",
    "stalled": "ActiveActionStatus",
    "queued": "PotentialActionStatus",
}
"""Every other state is one of an action that failed; its `error` says how."""
MOST_BYTES = 1 << 30

Entity = dict[str, Any]


def write_crate(folder: Path, casebook: Casebook, study_file: Path) -> Path:
    """Write the crate of a study as a new folder, whole or not at all; its metadata file.

    Raises:
        UserError: the casebook has no study, `folder` holds something already, or a file of a run
            cannot be read.
    """
    if casebook.study is None:
        raise UserError(f"A crate of {casebook.workspace} needs a study: name one with --study.")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: name a new folder for the crate.")
    with folder_beside(folder) as beside:
        files = {STUDY: study_file} | dict(_files(casebook))
        for name, path in files.items():
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(_read(path))
        graph = entities(casebook, casebook.study, beside, sorted(files))
        data = msgspec.json.encode({"@context": CONTEXT, "@graph": graph})
        (beside / METADATA).write_bytes(msgspec.json.format(data, indent=2) + b"\n")
    return folder / METADATA


def _files(casebook: Casebook) -> Iterator[tuple[str, Path]]:
    for case in casebook.cases():
        for run in case.runs:
            for name in INPUTS | RESULTS:
                path = casebook.workspace / run.path / name
                if run.foreign is None and path.is_file():
                    yield f"{run.path}/{name}", path


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path} cannot be put into the crate: {error.strerror}.") from error


def entities(casebook: Casebook, study: Study, folder: Path, files: list[str]) -> list[Entity]:
    """The flat list of the crate's entities. `files`: those of `folder`, by their paths there."""
    actions = [
        _action(case, run, files)
        for case in casebook.cases()
        for run in case.runs
        if run.foreign is None
    ]
    ends = [action["endTime"] for action in actions if "endTime" in action]
    root = {
        "@id": "./", "@type": "Dataset", "name": study.title.en,
        "description": phrase("crate.description", "en", study=study.study),
        "datePublished": max(ends, default=_iso(datetime.now(UTC))),
        "license": {"@id": "#license"},
        "conformsTo": [{"@id": name} for name in PROFILES],
        "hasPart": [{"@id": name} for name in files],
        "mainEntity": {"@id": STUDY},
        "mentions": [{"@id": action["@id"]} for action in actions],
    }  # fmt: skip
    descriptor = {
        "@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": [{"@id": CRATE}, {"@id": WORKFLOW_CRATE}],
    }  # fmt: skip
    described = [_file(name, folder) for name in files if name != STUDY]
    return [descriptor, root, *_fixed(study, folder), *described, *actions]


def _fixed(study: Study, folder: Path) -> list[Entity]:
    """The workflow, its language and engine, its parameters, profiles and licence."""
    workflow = _file(STUDY, folder) | {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": study.study, "programmingLanguage": {"@id": "#mobile-vla"},
        "input": [{"@id": "#episodes"}], "output": [{"@id": "#results"}],
        "license": {"@id": "#license"},
    }  # fmt: skip
    engine = {
        "@id": "#mobile-vla", "@type": ["ComputerLanguage", "SoftwareApplication"],
        "name": "mobile-vla", "version": __version__, "softwareVersion": __version__,
        "identifier": {"@id": "#mobile-vla"}, "url": {"@id": "#mobile-vla"},
    }  # fmt: skip
    parameters = [
        {
            "@id": f"#{name}", "@type": "FormalParameter", "additionalType": "File",
            "name": name, "description": phrase(f"crate.{name}", "en"),
            "conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
        }
        for name in ("episodes", "results")
    ]  # fmt: skip
    licence = {
        "@id": "#license", "@type": "CreativeWork", "name": phrase("crate.license", "en"),
        "description": phrase("crate.license_text", "en"),
    }  # fmt: skip
    profiles = [
        {"@id": iri, "@type": "CreativeWork", "name": name, "version": iri.rpartition("/")[2]}
        for iri, name in PROFILES.items()
    ]
    return [workflow, engine, *parameters, licence, *profiles]


def _file(name: str, folder: Path) -> Entity:
    inside = name.rpartition("/20")[2].partition("/")[2] if "/" in name else name
    kind = (INPUTS | RESULTS | {STUDY: "application/yaml"}).get(inside, "text/plain")
    entity: Entity = {
        "@id": name, "@type": "File", "name": inside, "encodingFormat": kind,
        "contentSize": str((folder / name).stat().st_size),
    }  # fmt: skip
    parameter = {"manifest.json": "#episodes", "metrics.csv": "#results"}.get(inside)
    return entity | ({"exampleOfWork": {"@id": parameter}} if parameter else {})


def _action(case: CaseView, run: RunView, files: list[str]) -> Entity:
    def those(names: dict[str, str]) -> list[Entity]:
        paths = [f"{run.path}/{name}" for name in names]
        return [{"@id": path} for path in paths if path in files]

    status = STATUS.get(run.state, "FailedActionStatus")
    action: Entity = {
        "@id": f"#{run.path}", "@type": "CreateAction", "name": case.label or case.name,
        "description": sentence(run.why, "en"), "instrument": {"@id": STUDY},
        "object": those(INPUTS), "result": those(RESULTS),
        "actionStatus": {"@id": f"http://schema.org/{status}"},
    }  # fmt: skip
    if status == "FailedActionStatus":
        action["error"] = sentence(run.why, "en")
    if run.started:
        action["startTime"] = _iso(run.started)
    if run.last_sign and status != "ActiveActionStatus":
        action["endTime"] = _iso(run.last_sign)
    return action


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
