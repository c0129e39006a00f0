"""Run by openpi's Python: frames of a .npy file to a server, chunks and histories to another."""

import json
import sys

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy

port, frames, prompt, out = sys.argv[1:]
client = WebsocketClientPolicy("127.0.0.1", int(port), api_key="not-looked-at-on-loopback")
answers = [
    client.infer({"observation/image": frame, "observation/state": np.zeros(3), "prompt": prompt})
    for frame in np.load(frames)
]
np.save(out, np.stack([answer["actions"] for answer in answers]))
try:
    client.infer({"prompt": prompt})
except RuntimeError as error:
    refusal = str(error)
timing = sorted(answers[-1]["server_timing"])
print(json.dumps({"case": client.get_server_metadata()["case"], "timing": timing,
                  "refusal": refusal}))  # fmt: skip
