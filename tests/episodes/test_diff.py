import msgspec
import pytest

from mobile_vla.cli.main import main
from mobile_vla.episodes.dataset import build_manifest
from mobile_vla.episodes.dataset_diff import describe, diff_manifests
from mobile_vla.episodes.manifest import Manifest, write_manifest


@pytest.fixture
def manifest(make_folder) -> Manifest:
    return build_manifest(make_folder(3, 3), name="set", seed=1)[0]


def changed(manifest: Manifest, **by_id) -> Manifest:
    rows = [msgspec.structs.replace(e, **by_id.get(e.id, {})) for e in manifest.episodes]
    return Manifest.of("other", 0.4, rows)


def test_a_data_set_does_not_differ_from_itself(manifest) -> None:
    difference = diff_manifests(manifest, changed(manifest))
    assert difference.same
    assert describe(difference) == []


def test_added_and_removed(manifest) -> None:
    fewer = Manifest.of("fewer", 0.4, manifest.episodes[1:])
    first = manifest.episodes[0].id
    assert diff_manifests(manifest, fewer).removed == [first]
    assert diff_manifests(fewer, manifest).added == [first]
    assert describe(diff_manifests(fewer, manifest)) == [f"+ {first}"]


def test_changed_moved_redirected_and_renamed(manifest) -> None:
    one, two, three, four = [e.id for e in manifest.episodes[:4]]
    other = changed(
        manifest,
        **{one: {"hash": "0" * 64}, two: {"split": "eval"}, three: {"direction": "straight"},
           four: {"id": "new name"}},
    )  # fmt: skip
    difference = diff_manifests(manifest, other)
    assert difference.changed == [one]
    assert [(m.id, m.after) for m in difference.moved] == [(two, "eval")]
    assert [(m.id, m.after) for m in difference.redirected] == [(three, "straight")]
    assert [(m.before, m.after) for m in difference.renamed] == [(four, "new name")]
    assert difference.added == difference.removed == []
    assert len(describe(difference)) == 4


def test_the_command_exits_one_where_they_differ(manifest, tmp_path, capsys) -> None:
    write_manifest(tmp_path / "a.json", manifest)
    write_manifest(tmp_path / "b.json", Manifest.of("b", 0.4, manifest.episodes[2:]))
    a, b = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    assert main(["episodes", "diff", a, a]) == 0
    assert "The same episodes" in capsys.readouterr().out
    assert main(["episodes", "diff", a, b]) == 1
    assert capsys.readouterr().out.startswith("- ")
    assert main(["episodes", "diff", a, b, "--json"]) == 1
    assert len(msgspec.json.decode(capsys.readouterr().out)["removed"]) == 2
