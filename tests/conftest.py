import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent / "reliability"),
    str(Path(__file__).parent / "fuzz"),
]
pytest_plugins = ["run_folders", "small_lab"]

# A busy machine is slow: no example has a deadline. In CI every run tries the same examples.
settings.register_profile("tests", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("tests")


def pytest_addoption(parser):
    parser.addoption("--accept-golden", action="store_true", help="write the golden pages anew")
