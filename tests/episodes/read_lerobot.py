"""Run by `lerobot-dataset`'s own environment: read every frame and say what was read, as JSON.

    python read_lerobot.py FOLDER

Its torchvision may lack its operators beside another torch; nothing here uses them.
"""

import hashlib
import json
import os
import re
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import av
import torch


def import_torchvision() -> None:
    for _ in range(20):
        try:
            import torchvision  # noqa: F401

            return
        except RuntimeError as error:
            operator = re.search(r"torchvision::\w+", str(error))[0]
            torch.library.define(operator, "(Tensor unused) -> Tensor")
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]


class VideoReader:
    """What torchvision had until it left video to others: frames and times, by PyAV."""

    def __init__(self, path: str, stream: str) -> None:
        self.container = av.open(path)
        self.stream = self.container.streams.video[0]

    def seek(self, seconds: float, keyframes_only: bool = False) -> None:
        self.container.seek(int(seconds / self.stream.time_base), stream=self.stream)

    def __iter__(self):
        for frame in self.container.decode(self.stream):
            data = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            yield {"data": data, "pts": frame.time}


import_torchvision()
import torchvision  # noqa: E402

if not hasattr(torchvision.io, "VideoReader"):
    torchvision.io.VideoReader = VideoReader
    torchvision.set_video_backend = lambda backend: None
from ledataset.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402

dataset = LeRobotDataset("local/set", root=sys.argv[1], video_backend="pyav")
frames = []
for index in range(len(dataset)):
    item = dataset[index]
    image = (item["observation.images.front"] * 255).round().to(torch.uint8).permute(1, 2, 0)
    frames.append(
        {
            "episode": int(item["episode_index"]),
            "frame": int(item["frame_index"]),
            "task": item["task"],
            "action": [float(v) for v in item["action"]],
            "mean": float(image.float().mean()),
            "pixels": hashlib.sha256(image.contiguous().numpy().tobytes()).hexdigest(),
        }
    )
print(json.dumps({"episodes": dataset.num_episodes, "fps": dataset.fps, "frames": frames}))
