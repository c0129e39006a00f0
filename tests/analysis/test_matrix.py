"""The matrix of verdicts: every pair once, a colour, a sign and a word in each cell."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from mobile_vla.analysis.wording import FORBIDDEN
from mobile_vla.cli.main import main
from mobile_vla.figures import VERDICTS, wrapped
from mobile_vla.messages.catalogue import term
from mobile_vla.messages.errors import UserError
from mobile_vla.report.page_figures import matrix_png, matrix_svg, write_matrix

if TYPE_CHECKING:
    from run_folders import Maker


def test_every_pair_has_the_verdict_that_compare_gives_it(whole_study: Maker) -> None:
    book = whole_study.book()
    found = book.matrix()
    assert found.names == [case.name for case in whole_study.study.cases]
    for i in range(len(found.names)):
        assert found.cells[i][i] is None
        for j in range(i):
            cell = found.cells[i][j]
            assert cell is not None and cell == found.cells[j][i]
    for a, b in (("left_10", "both_10"), ("left_10", "both_20"), ("left_20", "robot_10")):
        cell = found.cells[found.names.index(a)][found.names.index(b)]
        judged = book.compare(a, b)
        assert cell is not None
        assert (cell.verdict, cell.factor) == (judged.verdict, judged.factor)
        assert set(cell.confounds) == set(judged.confounds)


def test_a_question_is_asked_of_every_pair_and_cases_are_chosen(whole_study: Maker) -> None:
    found = whole_study.book().matrix(["Case 1", "both_10", "Case 2"], "balance")
    assert found.names == ["left_10", "both_10", "robot_10"]
    verdicts = [[cell.verdict if cell else None for cell in row] for row in found.cells]
    assert verdicts[0] == [None, "valid", "not_comparable"]


def test_one_case_or_too_many_are_refused(whole_study: Maker) -> None:
    with pytest.raises(UserError, match="2 to 40 cases, not 1"):
        whole_study.book().matrix(["Case 1"])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_svg_says_each_verdict_in_sign_and_word(whole_study: Maker, language: str) -> None:
    matrix = whole_study.book().matrix()
    names = {case.name: case.label or case.name for case in whole_study.book().cases()}
    svg = matrix_svg(matrix, names, language)  # type: ignore[arg-type]
    assert svg == matrix_svg(matrix, names, language)  # type: ignore[arg-type]
    root = ElementTree.fromstring(svg)
    told = "\n".join(root.itertext())
    assert not FORBIDDEN.search(told)
    for kind in {cell.verdict for row in matrix.cells for cell in row if cell}:
        word = term("verdict", kind, language)  # type: ignore[arg-type]
        count = sum(cell.verdict == kind for row in matrix.cells for cell in row if cell)
        assert told.count(f"{VERDICTS[kind][1]} {word}") == count
        assert svg.count(f'class="cell-{kind}"') == count


def test_names_with_markup_stay_text(whole_study: Maker) -> None:
    matrix = whole_study.book().matrix(["Case 1", "Case 2"])
    svg = matrix_svg(matrix, {"left_10": "<b>&"}, "en")
    assert "<b>&" in "".join(ElementTree.fromstring(svg).itertext())


def test_the_png_is_a_picture_of_its_size(whole_study: Maker) -> None:
    from PIL import Image

    matrix = whole_study.book().matrix(["Case 1", "Case 2", "both_10"])
    image = Image.open(io.BytesIO(matrix_png(matrix, {})))
    assert image.size == (2 * (190 + 132 * 3 + 8), 2 * (96 + 58 * 3 + 8))
    assert len(image.convert("RGB").getcolors(1 << 20) or []) > 10


def test_another_kind_of_file_is_refused(whole_study: Maker, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither \.svg nor \.png"):
        write_matrix(tmp_path / "m.jpg", whole_study.book().matrix(), {}, "en")


def test_the_command_writes_the_picture(
    whole_study: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--study", str(whole_study.path), "--workspace", str(whole_study.workspace)]
    out = tmp_path / "matrix.svg"
    assert main(["compare", "--matrix", str(out), *where]) == 0
    assert out.read_text().startswith("<svg")
    assert main(["compare", "--matrix", str(out), "--exploratory", *where]) == 2
    assert "no numbers" in capsys.readouterr().err


def test_long_names_are_broken_behind_underscores() -> None:
    assert wrapped("mobile_vla_kosmos2_frozen_lora_leftright_20251204") == [
        "mobile_vla_", "kosmos2_frozen_", "lora_leftright_", "20251204",
    ]  # fmt: skip
    assert wrapped("Case 1") == ["Case 1"]
