"""Run by the Python of an environment with mlcroissant: FILE; its faults, and the first frames."""

import itertools
import json
import sys

import mlcroissant

dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
records = list(itertools.islice(dataset.records("frames-0"), 20))
print(
    json.dumps(
        {
            "errors": sorted(dataset.metadata.ctx.issues.errors),
            "actions": [list(map(float, each["frames-0/action"])) for each in records],
            "frames": [int(each["frames-0/frame_index"]) for each in records],
        }
    )
)
