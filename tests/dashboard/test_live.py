"""What runs: curves by a cursor, and events when something changed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator

import foreign_material as make
from mobile_vla.analysis.casebook import Casebook
from mobile_vla.dashboard import live_book
from mobile_vla.dashboard.curves import MOST_BUCKETS, CurveReader, Series
from mobile_vla.dashboard.live import events
from mobile_vla.dashboard.live_book import LiveBook
from mobile_vla.dashboard.run_page import case_page
from mobile_vla.runs.events import Heartbeat
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.process import this_process
from mobile_vla.runs.workspace import Workspace


def applied(before: dict, news: dict) -> dict:
    """What a browser holds after an answer."""
    return {
        name: before.get(name, [])[: news[name]["from"]] + news[name]["buckets"]
        for name in ("train_loss", "val_loss")
    }


def test_decimation_holds_minimum_and_maximum():
    series, values = Series(), [(step * 7919) % 1000 / 10 for step in range(10_000)]
    for step, value in enumerate(values):
        series.add(step, value)
    assert len(series.buckets) <= MOST_BUCKETS and series.count == 10_000
    width = 1 << series.level
    for first, low, high in series.buckets:
        inside = values[int(first) : int(first) + width]
        assert (low, high) == (min(inside), max(inside))


def test_a_cursor_gets_what_is_new_and_no_more(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    reader, cursor, held = CurveReader(metrics.path), "", {}
    for step in range(1, 3001):
        metrics.append(epoch=0, step=step, train_loss=1 / step)
        if step % 100 == 0:
            metrics.append(epoch=0, step=step, val_loss=2 / step)
            reader.read()
            news = reader.since(cursor)
            held, cursor = applied(held, news), news["cursor"]
            assert held == {name: series.buckets for name, series in reader.series.items()}
    reader.read()
    silent = reader.since(cursor)
    assert all(len(silent[name]["buckets"]) <= 1 for name in held)
    assert reader.series["val_loss"].count == 30


def test_a_file_written_anew_and_a_row_half_written(tmp_path):
    path = tmp_path / "metrics.csv"
    metrics = MetricsFile(path)
    for step in range(1, 11):
        metrics.append(epoch=0, step=step, train_loss=1.0)
    reader = CurveReader(path)
    reader.read()
    cursor = reader.since("")["cursor"]
    resumed = MetricsFile(path, keep_to_step=4)
    with open(path, "ab") as file:
        file.write(b"0,5,0.")
    reader.read()
    assert [bucket[0] for bucket in reader.since(cursor)["train_loss"]["buckets"]] == [1, 2, 3, 4]
    with open(path, "ab") as file:
        file.write(b"25\r\n")
    resumed.append(epoch=0, step=6, train_loss=0.5)
    reader.read()
    assert reader.series["train_loss"].buckets[-2:] == [[5, 0.25, 0.25], [6, 0.5, 0.5]]


def test_a_missing_or_damaged_file_or_a_pipe_gives_no_curve(tmp_path):
    path = tmp_path / "metrics.csv"
    reader = CurveReader(path)
    reader.read()
    os.mkfifo(path)
    reader.read()
    path.unlink()
    path.write_bytes(b"step,train_loss\nnan,1\n2,inf\n-1,3\n4\n1e300,1\n\xff,\x00\n5,0.5\n")
    reader.read()
    assert reader.series["train_loss"].buckets == [[5, 0.5, 0.5]]


def read(live: LiveBook, actions: Iterator[None]) -> list[tuple[str, object]]:
    """The events of a stream while `actions` happen, one between two polls."""

    async def collect() -> list[tuple[str, object]]:
        lines, over = [], False

        def is_gone() -> bool:
            nonlocal over
            finished, over = over, next(actions, "end") == "end"
            return finished

        async for piece in events(live, "en", is_gone, poll=0):
            lines.append(piece.decode())
        return [
            (head.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
            for head, _, data in (line.strip().partition("\n") for line in lines)
            if head.startswith("event: ")
        ]

    return asyncio.run(collect())


def test_progress_is_sent_when_it_moves_and_a_change_of_state_once(maker):
    run = maker.begin("left_10", process=this_process())
    run.log(Heartbeat(step=3, epoch=0), seconds=3500)

    def actions() -> Iterator[None]:
        yield
        yield
        run.log(Heartbeat(step=9, epoch=0))
        yield
        yield
        run.exit("exception", "RuntimeError: CUDA out of memory", step=9)
        yield
        yield

    news = read(LiveBook(maker.book(), refresh=0), actions())
    assert [name for name, _ in news] == ["progress", "progress", "changed"]
    rows = [row for name, row in news if name == "progress"]
    assert [row["text"].split(",")[0] for row in rows] == ["3 of 40", "9 of 40"]  # type: ignore[index]


def test_a_new_run_is_a_change(maker):
    maker.finish("left_10")

    def actions() -> Iterator[None]:
        yield
        maker.finish("both_20")
        yield
        yield

    assert [name for name, _ in read(LiveBook(maker.book(), refresh=0), actions())] == ["changed"]


def test_a_case_is_of_the_present_moment_while_its_run_trains(maker):
    run = maker.begin("left_10", process=this_process())
    run.log(Heartbeat(step=3, epoch=0), seconds=3500)
    live = LiveBook(maker.book(), refresh=0)
    before = live.moment()
    run.log(Heartbeat(step=9, epoch=0))
    after = live.moment()
    steps = [case_page(moment, "left_10", "en").data().run.steps for moment in (before, after)]
    assert steps == [3, 9] and after.conclusions is before.conclusions


def test_a_new_drive_is_a_change(maker):
    maker.finish("left_10")
    live = LiveBook(maker.book(), refresh=0)
    before = live.moment()
    assert live.moment().version == before.version
    log = Workspace(maker.workspace).drives / "left_10" / "drive.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("no drive")
    after = live.moment()
    assert after.version != before.version and after.conclusions is not before.conclusions
    cases = after.cases
    log.unlink()
    assert after.cases == cases


def test_scanned_folders_are_read_again_only_where_a_file_changed(tmp_path, maker, monkeypatch):
    log = tmp_path / "logs" / "exp_1" / "metrics.csv"
    make.write(log, "epoch,step,val_loss\n0,9,0.5\n")
    read, scan = [], live_book.scan_evidence
    monkeypatch.setattr(
        live_book, "scan_evidence", lambda *arguments: read.append(1) or scan(*arguments)
    )
    book = Casebook(maker.workspace, maker.study, study_path=maker.path, evidence=[log.parents[1]])
    live = LiveBook(book, 0.0)
    first = live.moment()
    assert live.moment().version == first.version
    assert len(read) == 1
    make.write(log, "epoch,step,val_loss\n0,9,0.5\n1,19,0.25\n")
    second = live.moment()
    assert (len(read), second.version != first.version) == (2, True)
    (run,) = [run for run in second.runs() if run.foreign]
    assert run.best_val_loss == 0.25
    make.write(tmp_path / "logs" / "exp_2" / "metrics.csv", "epoch,step,val_loss\n0,9,0.5\n")
    assert len([run for run in live.moment().runs() if run.foreign]) == 2
    log.unlink()
    assert len([run for run in live.moment().runs() if run.foreign]) == 1
