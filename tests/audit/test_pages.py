"""Pages audited over a scanned run: messages, SARIF, citations, corrections."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from mobile_vla.audit.audit_document import (
    audit_document,
    audit_text,
    gather_proof,
    with_disagreements,
)
from mobile_vla.audit.audit_messages import message
from mobile_vla.audit.cite import cite
from mobile_vla.audit.fix import diff_text, fix_document, write_page
from mobile_vla.audit.sarif import sarif_log
from mobile_vla.messages.errors import UserError

LOG = """\
{'exp_name': 'vla_lora_20251203', 'learning_rate': 0.0001, 'batch_size': 1, 'seed': 123, \
'trainer': {'max_epochs': 2, 'accumulate_grad_batches': 8}, 'train_setup': {'lora_r': 32}}
MobileVLAH5Dataset initialized:
  episode_pattern: episode_*.h5
  num_episodes: 40
  is_training: True
MobileVLAH5Dataset initialized:
  num_episodes: 10
  is_training: False
Validation DataLoader 0: 100%|##| 10/10 [00:01<00:00]
Epoch 0: 100%|##| 40/40 [01:40<00:00, 1.1it/s, train_loss=0.5, val_loss=0.4]
Validation DataLoader 0: 100%|##| 10/10 [00:01<00:00]
Epoch 1: 100%|##| 40/40 [01:40<00:00, 1.1it/s, train_loss=0.2, val_loss=0.289]
`Trainer.fit` stopped: `max_epochs=2` reached.
"""
PAGE = """\
# vla_lora_20251203

| item | value |
| --- | --- |
| run | vla_lora_20251203 |
| final val loss | 0.311 |
| seed | 123 |

- LoRA r: 16
- `seed: 7`
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the log of one finished run."""
    path = tmp_path_factory.mktemp("logs")
    (path / "vla_lora_20251203_225647.txt").write_text(LOG)
    return path


@pytest.fixture(scope="module")
def proof(folder):
    """The evidence."""
    return gather_proof(None, [folder])


def verdicts(audit):
    """Verdicts by quantity and value."""
    return {(j.claim.quantity, j.claim.value): j.verdict for j in audit.claims}


def test_a_page_is_read_bound_and_judged(proof):
    found = verdicts(audit_text(PAGE, proof))
    assert found["val_loss", "0.311"] == "contradicted"
    assert found["seed", "123"] == "supported"
    assert found["lora_r", "16"] == "contradicted"


def test_messages_are_in_the_pages_language_and_name_file_and_line(proof):
    audit = audit_text(PAGE, proof)
    (wrong,) = [j for j in audit.claims if j.claim.value == "0.311"]
    english, korean = message(wrong, "en"), message(wrong, "ko")
    assert "final validation loss “0.311” is contradicted; the evidence gives 0.289" in english
    assert "vla_lora_20251203_225647.txt line 12" in english
    assert "최종 검증 손실 “0.311” 근거와 다름; 근거의 값은 0.289" in korean


def test_sarif_places_a_result_at_the_value(proof):
    log = sarif_log([(PAGE.encode(), audit_text(PAGE, proof))])
    (result,) = [r for r in log["runs"][0]["results"] if "0.311" in r["message"]["text"]]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (result["level"], region["startLine"], region["byteLength"]) == ("error", 6, 5)


def test_sarif_names_both_places_that_disagree(proof):
    pages = [b"# vla_lora_20251203\n\n- dropout: 0.1\n",
             "# vla_lora_20251203\n\n- 드롭아웃: 0.2\n".encode()]  # fmt: skip
    audits = with_disagreements([
        audit_document(data, f"{number}.md", proof) for number, data in enumerate(pages)
    ])  # fmt: skip
    results = sarif_log(list(zip(pages, audits, strict=True)))["runs"][0]["results"]
    (result,) = [entry for entry in results if entry["ruleId"] == "disagreement"]
    places = [
        entry["physicalLocation"] for entry in (*result["locations"], *result["relatedLocations"])
    ]
    files = [place["artifactLocation"]["uri"].rpartition("/")[2] for place in places]
    assert files == ["1.md", "0.md"]
    assert [place["region"]["byteLength"] for place in places] == [3, 3]
    assert "0.2" in result["message"]["text"]
    assert "0.1" in result["message"]["text"]


def test_a_korean_page_is_corrected_in_korean_and_twice_is_once(proof):
    data = "# vla_lora_20251203\n\n- 상태: 실패\n- 시드: 7\n- 진행: 완료, 다음 주에 발표\n".encode()
    _, result = fixed(data, proof)
    assert "- 상태: 완료 ~~실패~~[^mvla-1]".encode() in result.data
    assert "- 시드: 123 ~~7~~[^mvla-2]".encode() in result.data
    assert "근거".encode() in result.data
    assert fixed(result.data, proof)[1].data == result.data


def test_a_number_is_cited_with_its_file(folder):
    cited = cite("vla_lora_20251203", "final val_loss", evidence=[str(folder)])
    assert (float(cited), cited.evidence.where) == (0.289, "line 12")
    assert float(cite("vla_lora_20251203", "최종 검증 손실", evidence=[str(folder)])) == 0.289
    assert cite("vla_lora_20251203", "status", evidence=[str(folder)]).value == "finished"
    with pytest.raises(UserError, match="gives its 'final val_los'"):
        cite("vla_lora_20251203", "final val_los", evidence=[str(folder)])


def fixed(data: bytes, proof):
    """A page's audit and its correction."""
    audit = audit_document(data, "page.md", proof)
    return audit, fix_document(data, audit, proof)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_corrections_keep_every_other_byte_and_twice_is_once(proof, end):
    data = PAGE.encode().replace(b"\n", end)
    _, result = fixed(data, proof)
    assert b"| 0.289 ~~0.311~~[^mvla-1] |" in result.data
    assert b"- LoRA r: 32 ~~16~~[^mvla-2]" in result.data
    assert b"`seed: 7`" in result.data
    back = result.data.replace(b"0.289 ~~0.311~~[^mvla-1]", b"0.311")
    back = back.replace(b"32 ~~16~~[^mvla-2]", b"16")
    assert back.startswith(data)
    assert back[len(data) :].startswith(end + b"[^mvla-1]: mvla audit: ")
    assert b"line 12" in back[len(data) :]
    assert fixed(result.data, proof)[1].data == result.data


def test_a_number_with_a_share_or_a_total_beside_it_is_left(proof):
    data = b"# vla_lora_20251203\n\n- train episodes: 45\n- episodes: 45 + 10 = 55\n"
    _, result = fixed(data, proof)
    assert b"45 + 10 = 55" in result.data


def test_an_unsure_binding_corrects_nothing(proof):
    data = PAGE.encode().replace(b"vla_lora_20251203", b"Case 7")
    assert fixed(data, proof)[1].data == data


@pytest.mark.parametrize(("field", "value"), [("sure", "safe"), ("whole", False)])
def test_a_binding_by_evidence_and_a_part_of_a_cell_correct_nothing(proof, field, value):
    audit = audit_document(PAGE.encode(), "page.md", proof)
    claims = [
        msgspec.structs.replace(j, claim=msgspec.structs.replace(j.claim, **{field: value}))
        for j in audit.claims
    ]
    unsure = msgspec.structs.replace(audit, claims=claims)
    assert fix_document(PAGE.encode(), unsure, proof).data == PAGE.encode()


def test_writing_keeps_mode_and_refuses_links_and_changed_files(proof, tmp_path):
    path = tmp_path / "page.md"
    path.write_bytes(PAGE.encode())
    path.chmod(0o640)
    _, result = fixed(path.read_bytes(), proof)
    assert "+" in diff_text(path, PAGE.encode(), result.data)
    with pytest.raises(UserError, match="changed while"):
        write_page(path, b"other", result.data)
    link = tmp_path / "inner" / "link.md"
    link.parent.mkdir()
    link.symlink_to(path)
    with pytest.raises(UserError, match="is a link"):
        write_page(link, PAGE.encode(), result.data)
    hard = tmp_path / "hard.md"
    os.link(path, hard)
    with pytest.raises(UserError, match="hard links"):
        write_page(path, PAGE.encode(), result.data)
    hard.unlink()
    write_page(path, PAGE.encode(), result.data)
    assert path.read_bytes() == result.data
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(Path(tmp_path).glob(".*")) == []


def test_two_values_that_evidence_knows_both_do_not_disagree(proof):
    page = "# vla_lora_20251203\n\n- episodes: 50\n- episodes: 40\n- seed: 123\n- seed: 7\n"
    (audit,) = with_disagreements([audit_text(page, proof)])
    assert [judged.verdict for judged in audit.claims][:2] == ["supported", "ambiguous"]
    assert [(pair.first.value, pair.second.value) for pair in audit.disagreements] == [("123", "7")]
