"""Who may only read, few open files, little memory: an answer or a sentence, no traceback."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from run_folders import Maker

NOBODY = 65534
READING = (["status"], ["plan"], ["compare", "left_10", "both_20"], ["audit", "PAGE"])
WRITING = (["report"], ["train", "left_10", "--check"], ["study", "use", "STUDY"])
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Each thread of a library reserves memory."""
AS_OTHER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
"""Root without the right to pass over permissions, in whose own folders Python may lie."""


@pytest.fixture
def open_to_all(maker: Maker) -> Iterator[Path]:
    """A workspace with two runs, its study and a page, where every user may read."""
    maker.finish("left_10")
    maker.finish("both_20")
    folder = Path(tempfile.mkdtemp(prefix="mvla-"))
    shutil.copytree(maker.workspace / "runs", folder / "ws" / "runs", symlinks=True)
    shutil.copy(maker.path, folder / "study.yaml")
    (folder / "page.md").write_text("# left_10\n\n- epochs: 99\n")
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
    yield folder
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def command(folder: Path, words: list[str]) -> list[str]:
    places = {"PAGE": str(folder / "page.md"), "STUDY": str(folder / "study.yaml")}
    where = ["--study", str(folder / "study.yaml"), "--workspace", str(folder / "ws")]
    arguments = [places.get(word, word) for word in words]
    return [
        sys.executable, "-m", "mobile_vla.cli", *arguments, *(where if words[0] != "study" else [])
    ]  # fmt: skip


def run(
    folder: Path,
    words: list[str],
    before: Callable[[], None] = lambda: None,
    *,
    other: bool = False,
) -> tuple[int, str]:
    """`other`: as one to whom the folder does not belong."""
    prefix = AS_OTHER if other and os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("root may not give up rights here")
    done = subprocess.run(
        [*prefix, *command(folder, words)], cwd=folder, preexec_fn=before, capture_output=True,
        text=True, check=False, timeout=300, env=os.environ | {"HOME": str(folder)} | ONE_THREAD,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_another_user_reads(open_to_all: Path, words: list[str]) -> None:
    before = content(open_to_all)
    code, said = run(open_to_all, words, other=True)
    assert code in (0, 1), said
    assert "Traceback" not in said
    assert {name: data for name, data in content(open_to_all).items() if name in before} == before


@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_another_user_is_refused_with_a_sentence(open_to_all: Path, words: list[str]) -> None:
    before = content(open_to_all)
    code, said = run(open_to_all, words, other=True)
    assert code == 2, said
    assert "Traceback" not in said
    assert "ermission" in said or "write" in said, said
    assert content(open_to_all) == before


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))


def little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
@pytest.mark.parametrize("limit", [few_files, little_memory])
def test_limits_are_answers_or_sentences(
    open_to_all: Path, words: list[str], limit: Callable[[], None]
) -> None:
    code, said = run(open_to_all, words, limit)
    assert code in (0, 1, 2), said
    assert "Traceback" not in said
