"""Each line of events proves all bytes before it and itself."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.runs.chain import check_chain, check_chain_of_file, head_fits, without_chains
from mobile_vla.runs.events import EventLog, Heartbeat, decode_events
from mobile_vla.runs.metrics_csv import MetricsFile

LINES = 8


def chained(path: Path, count: int = LINES) -> bytes:
    log = EventLog(path)
    for step in range(count):
        log.append(Heartbeat(step=step, epoch=0))
    return path.read_bytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return chained(tmp_path_factory.mktemp("chain") / "events.jsonl")


def test_an_honest_log_has_no_break(data: bytes) -> None:
    check = check_chain(data)
    assert (check.first, check.broken) == (1, None)


@given(place=st.floats(0, 0.999), byte=st.integers(1, 255))
def test_a_changed_byte_is_placed_at_its_line(data: bytes, place: float, byte: int) -> None:
    at = int(place * len(data))
    changed = bytearray(data)
    changed[at] = changed[at] ^ byte
    line = data.count(b"\n", 0, at) + 1
    broken = check_chain(bytes(changed)).broken
    torn = any(x.event is None for x in decode_events(bytes(changed)))
    assert broken in (line, line + 1) or (broken is None and torn and line == LINES)


@given(st.permutations(range(LINES)), st.integers(0, LINES), st.integers(0, LINES))
def test_lines_moved_cut_or_repeated_are_a_break(
    data: bytes, order: list[int], first: int, last: int
) -> None:
    lines = data.splitlines(keepends=True)
    edited = [lines[n] for n in order] + lines[first:last]
    check = check_chain(b"".join(edited))
    prefix = next((n for n, (a, b) in enumerate(zip(edited, lines, strict=False)) if a != b), None)
    expected = None if edited == lines else (prefix if prefix is not None else LINES) + 1
    assert check.broken == expected


@given(cut=st.integers(1, 2000), resumed=st.booleans())
def test_a_kill_at_any_byte_is_no_break(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, resumed: bool
) -> None:
    file = tmp_path_factory.mktemp("cut") / "events.jsonl"
    file.write_bytes(data[: max(1, len(data) - cut)])
    if resumed:
        for _ in range(2):
            EventLog(file).append(Heartbeat(step=99, epoch=0))
    assert check_chain(file.read_bytes()).broken is None
    assert check_chain_of_file(file).broken is None


def test_events_of_another_run_do_not_fit(tmp_path: Path, data: bytes) -> None:
    other = chained(tmp_path / "events.jsonl").splitlines(keepends=True)
    mine = data.splitlines(keepends=True)
    assert check_chain(b"".join([*mine[:4], *other[4:]])).broken == 5


def test_a_log_of_before_goes_on_chained_and_is_proved(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(without_chains(data))
    assert check_chain(file.read_bytes()).first is None
    EventLog(file).append(Heartbeat(step=9, epoch=1))
    both = file.read_bytes()
    assert (check_chain(both).first, check_chain(both).broken) == (LINES + 1, None)
    assert check_chain(both.replace(b'"step":3', b'"step":4')).broken == LINES + 1


def test_another_writer_is_taken_account_of(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    first, second = EventLog(file), EventLog(file)
    for log in (first, second, second, first, second, first):
        log.append(Heartbeat(step=1, epoch=0))
    assert check_chain(file.read_bytes()).broken is None


def test_a_line_without_a_chain_is_a_break(data: bytes) -> None:
    bare = without_chains(data.splitlines(keepends=True)[0])
    assert check_chain(data + bare).broken == LINES + 1
    assert check_chain(data + bare.strip()).broken == LINES + 1
    assert check_chain(data + b"\n").broken == LINES + 1
    assert check_chain(data + b"note\n").broken == LINES + 1


def test_the_head_tells_of_lines_cut_off(tmp_path: Path, data: bytes) -> None:
    from mobile_vla.runs.chain import Chain, ChainHead

    chain = Chain()
    chain.extend(b'{"event":"x"}')
    chain.write_head(tmp_path / "events.jsonl")
    assert (tmp_path / "events.head").exists()
    last = without_chains(data).splitlines()[-1][:-1]
    head = ChainHead(bytes=len(data), chain=data.split(last + b',"chain":"')[1][:32].decode())
    assert head_fits(head, BytesIO(data)) and head_fits(head, BytesIO(data + b"{"))
    assert not head_fits(head, BytesIO(data[: data.rfind(b"\n", 0, -1) + 1]))


def test_rows_are_hashed_as_they_are_written(tmp_path: Path) -> None:
    from blake3 import blake3

    for keep in (None, 2):
        metrics = MetricsFile(tmp_path / "m.csv", keep_to_step=keep)
        for step in (3, 4):
            metrics.append(epoch=0, step=step, train_loss=0.5)
        data = (tmp_path / "m.csv").read_bytes()
        written = metrics.written()
        assert (written.bytes, written.blake3) == (len(data), blake3(data).hexdigest())
