import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "reliability")]
pytest_plugins = ["run_folders", "small_lab"]


def pytest_addoption(parser):
    parser.addoption("--accept-golden", action="store_true", help="write the golden pages anew")
