"""What a server refuses: a sentence that names the fault, no traceback, and others go on."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import struct
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mobile_vla.listening import bind, choose_token
from mobile_vla.messages.errors import UserError
from mobile_vla.serving.request_error import RequestError
from mobile_vla.serving.served_policy import ServedPolicy
from mobile_vla.serving.server import ServerOptions
from mobile_vla.serving.wire import MAX_ITEMS, pack, unpack
from serving_server import LEFT, RunningServer, ask, noise, observation, serving

FRAME = noise(1)[0]
TOKEN = "a-token-of-some-length"


def array(**changes: Any) -> bytes:
    marked = {b"__ndarray__": True, b"data": b"\0" * 12, b"dtype": "<f4", b"shape": [3]}
    marked.update({key.encode(): value for key, value in changes.items()})
    return msgpack.packb({"observation/image": marked, "prompt": LEFT})


BAD_MESSAGES = {
    "float frame": (observation(FRAME.astype(np.float32)), "image has the type float32"),
    "channels first": (observation(FRAME.transpose(2, 0, 1).copy()), "channels first"),
    "grey": (observation(FRAME[:, :, 0].copy()), "shape [64, 64]"),
    "batch of frames": (observation(FRAME[None]), "shape [1, 64, 64, 3]"),
    "no frame": (pack({"prompt": LEFT}), "observation/image is missing"),
    "no prompt": (pack({"observation/image": FRAME}), "prompt is missing"),
    "frame as list": (pack({"observation/image": [1], "prompt": LEFT}), "of type list"),
    "prompt is a number": (observation(FRAME, 3), "prompt is of type int"),
    "empty prompt": (observation(FRAME, " "), "prompt is empty"),
    "prompt of 100 kB": (observation(FRAME, "go " * 33_000), "at most 2000"),
    "unknown word": (observation(FRAME, "go around the zebra"), "zebra"),
    "another camera": (observation(FRAME, **{"observation/wrist_image": FRAME}), "wrist_image"),
    "state with NaN": (observation(FRAME, **{"observation/state": np.array([np.nan])}), "NaN"),
    "reset is text": (observation(FRAME, reset="yes"), "reset is neither"),
    "objects": (array(dtype="|O"), "has the type |O"),
    "void": (array(dtype="|V12"), "has the type |V12"),
    "dtype of fields": (array(dtype=[["a", "<f4"]]), "has the type"),
    "too few bytes": (array(shape=[10**6, 10**6]), "bytes, not 12"),
    "negative length": (array(shape=[-1]), "none negative"),
    "length is true": (array(shape=[True, 3]), "none negative"),
    "nine axes": (array(shape=[1] * 9), "at most 8"),
    "no bytes": (array(data="text"), "bytes, not 0"),
    "not msgpack": (b"\xc1", "cannot be decoded"),
    "cut off": (observation(FRAME)[:-5], "cannot be decoded"),
    "a list": (msgpack.packb([1, 2]), "of type list"),
    "many empty lists": (msgpack.packb([[[]] * 4000] * 4), "more than"),
    "deep": (b"\x91" * 5000 + b"\x01", "cannot be decoded"),
    "pickle": (b"\x80\x04\x95\x10\x00", "msgpack"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_a_bad_message_is_a_sentence_and_the_session_goes_on(
    policy_server: RunningServer, name: str
) -> None:
    message, expected = BAD_MESSAGES[name]
    with policy_server.connect() as socket:
        socket.recv()
        socket.send(message)
        answer = socket.recv(timeout=60)
        assert isinstance(answer, str)
        assert expected in answer
        assert "Traceback" not in answer
        assert answer.count("\n") == 0
        assert ask(socket, FRAME)["actions"].shape == (4, 2)


def test_a_text_frame_and_a_huge_message(policy_server: RunningServer) -> None:
    with policy_server.connect() as socket:
        socket.recv()
        socket.send("hello")
        assert isinstance(socket.recv(timeout=60), str)
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(b"\0" * ((16 << 20) + 1))
            socket.recv(timeout=60)
        frame = closed.value.rcvd  # lost where the connection is reset before it is read
        assert frame is None or frame.code == 1009
    with policy_server.connect() as socket:
        socket.recv()
        assert ask(socket, FRAME)["actions"].shape == (4, 2)


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 64), kind: str = "PNG") -> str:
    data = io.BytesIO()
    Image.new(mode, size).save(data, format=kind)
    return base64.b64encode(data.getvalue()).decode()


def bomb() -> str:
    """A PNG head that claims 60,000 by 60,000 pixels."""
    data = bytearray(base64.b64decode(picture()))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return base64.b64encode(bytes(data)).decode()


BAD_BODIES = {
    "no json": (b"{", "serve.not_json"),
    "a list": (b"[1]", "serve.no_map"),
    "deep": (b"[" * 100_000, "serve.not_json"),
    "no image": ({"instruction": LEFT}, "serve.missing_key"),
    "no instruction": ({"image": picture()}, "serve.missing_key"),
    "misspelt": ({"image": picture(), "instructon": LEFT}, "serve.unknown_key"),
    "no base64": ({"image": "%%%", "instruction": LEFT}, "serve.not_base64"),
    "no picture": ({"image": "aGVsbG8=", "instruction": LEFT}, "serve.picture_undecodable"),
    "cut picture": ({"image": picture()[:80], "instruction": LEFT}, "serve.picture_undecodable"),
    "gif": ({"image": picture(kind="GIF"), "instruction": LEFT}, "serve.picture_undecodable"),
    "transparent": ({"image": picture("RGBA"), "instruction": LEFT}, "serve.picture_mode"),
    "bomb": ({"image": bomb(), "instruction": LEFT}, "serve.picture_"),
    "image is a number": ({"image": 3, "instruction": LEFT}, "serve.no_array"),
    "session is a list": (
        {"image": picture(), "instruction": LEFT, "session": []}, "serve.session_name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_422_with_a_code(policy_server: RunningServer, name: str) -> None:
    body, code = BAD_BODIES[name]
    status, answer, _ = policy_server.request("POST", "/predict", body)
    assert status == 422
    assert answer["code"].startswith(code)
    assert answer["detail"]
    assert answer["ko"]
    assert "Traceback" not in json.dumps(answer)


def test_a_data_url_and_a_jpeg_are_pictures(policy_server: RunningServer) -> None:
    url = "data:image/jpeg;base64," + picture(kind="JPEG")
    body = {"image": url, "instruction": LEFT}
    assert policy_server.request("POST", "/predict", body)[0] == 200


def test_errors_are_counted_by_code(served: ServedPolicy) -> None:
    with serving(served) as server:
        server.request("POST", "/predict", b"{")
        with server.connect() as socket:
            socket.recv()
            socket.send(b"\xc1")
            socket.recv()
            ask(socket, FRAME)
        statistics = server.request("GET", "/statistics")[1]
        status, text, headers = server.request("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    samples = {
        sample.name + "".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }  # fmt: skip
    assert samples["mvla_requests_total"] == 3
    assert samples["mvla_errors_totalserve.not_json"] == 1
    assert samples["mvla_latency_seconds_countmodel"] == 1
    assert samples["mvla_stale_answers_total"] == statistics["stale_share"]
    assert statistics["requests"] == 3
    assert statistics["errors"] == {"serve.not_json": 1, "serve.not_msgpack": 1}
    assert statistics["latency_ms"].keys() == {"decode", "queue", "model", "encode"}
    assert (statistics["answers"], statistics["refused"], statistics["failed"]) == (1, 2, 0)
    assert statistics["stale_share"] in (0.0, 1.0)


def test_frames_of_another_size_are_refused_where_that_is_asked(served: ServedPolicy) -> None:
    with serving(served, ServerOptions(refuse_resize=True)) as server, server.connect() as socket:
        socket.recv()
        assert "send 64 by 64 px" in ask(socket, noise(1, 96)[0])
        assert ask(socket, FRAME)["actions"].shape == (4, 2)


def test_an_action_that_is_no_number_is_an_error(served: ServedPolicy, monkeypatch: Any) -> None:
    from mobile_vla.serving import inference

    with serving(served) as server, server.connect() as socket:
        socket.recv()
        broken = np.full((1, 4, 2), np.nan, np.float32)
        monkeypatch.setattr(inference, "chunks_together", lambda controllers, frames: broken)
        assert "NaN" in ask(socket, FRAME)
        assert server.core.statistics.errors == {"serve.action_not_finite": 1}


def test_an_internal_error_has_no_traceback(served: ServedPolicy, monkeypatch: Any) -> None:
    from mobile_vla.serving import inference

    def fail(controllers: Any, frames: Any) -> Any:
        raise ZeroDivisionError("secret")

    with serving(served) as server:
        monkeypatch.setattr(inference, "chunks_together", fail)
        with server.connect() as socket:
            socket.recv()
            answer = ask(socket, FRAME)
            assert "secret" not in answer
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=60)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1011
        status, answer, _ = server.request(
            "POST", "/predict", {"image": picture(), "instruction": LEFT}
        )
        assert status == 500
        assert "secret" not in json.dumps(answer)


def test_the_oldest_request_is_refused_where_too_many_wait(
    served: ServedPolicy, monkeypatch: Any
) -> None:
    import threading

    from mobile_vla.serving import inference

    entered, release = threading.Event(), threading.Event()
    compute = inference.chunks_together

    def held(controllers: Any, frames: Any) -> Any:
        entered.set()
        release.wait(60)
        return compute(controllers, frames)

    with serving(served, queue=1) as server:
        monkeypatch.setattr(inference, "chunks_together", held)
        sockets = [server.connect() for _ in range(3)]
        for socket in sockets:
            socket.recv()
        sockets[0].send(observation(FRAME))
        assert entered.wait(60)
        sockets[1].send(observation(FRAME))
        while not server.core._waiting:
            pass
        sockets[2].send(observation(FRAME))
        refused = sockets[1].recv(timeout=60)
        assert isinstance(refused, str)
        assert "the oldest is refused" in refused
        release.set()
        for socket in (sockets[0], sockets[2]):
            assert isinstance(socket.recv(timeout=60), bytes)
        for socket in sockets:
            socket.close()


def test_an_idle_session_is_closed(served: ServedPolicy) -> None:
    with serving(served, idle=0.2) as server, server.connect() as socket:
        socket.recv()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.reason == "no message for 0.2 s"


@pytest.mark.parametrize("header", ["X-API-Key", "bearer", "api-key"])
def test_a_token_opens_the_server(served: ServedPolicy, header: str) -> None:
    headers = {
        "X-API-Key": {"X-API-Key": TOKEN},
        "bearer": {"Authorization": f"Bearer {TOKEN}"},
        "api-key": {"Authorization": f"Api-Key {TOKEN}"},
    }[header]
    with serving(served, ServerOptions(token=TOKEN)) as server:
        assert server.request("GET", "/model/info")[0] == 403
        wrong = {name: value + "x" for name, value in headers.items()}
        status, answer, _ = server.request("GET", "/model/info", None, **wrong)
        assert (status, answer["code"]) == (403, "serve.token_wrong")
        assert server.request("GET", "/model/info", None, **headers)[0] == 200
        assert server.request("GET", "/health")[0] == 200
        assert server.request("GET", "/healthz")[1] == "OK\n"
        with pytest.raises(InvalidStatus) as refused:
            server.connect(**wrong)
        assert refused.value.response.status_code == 403
        with server.connect(**headers) as socket:
            assert unpack(socket.recv())["case"] == "both_20"


def test_a_page_in_a_browser_is_refused(policy_server: RunningServer) -> None:
    origin = {"Origin": "http://example.org"}
    assert policy_server.request("POST", "/reset", {}, **origin)[0] == 403
    with pytest.raises(InvalidStatus):
        policy_server.connect(**origin)


def test_tokens_off_loopback() -> None:
    assert choose_token("127.0.0.1", None) is None
    assert choose_token("::1", None) is None
    first, second = choose_token("0.0.0.0", None), choose_token("0.0.0.0", None)
    assert first is not None
    assert len(first) > 30
    assert first != second
    for bad in ("", " ", "short", "ü" * 20, f" {TOKEN}"):
        with pytest.raises(UserError, match="token is not usable"):
            choose_token("127.0.0.1", bad)


def test_a_port_in_use() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(UserError, match="Address already in use"):
            bind("127.0.0.1", first.getsockname()[1])


def test_the_openapi_document_lists_every_route(policy_server: RunningServer) -> None:
    document = policy_server.request("GET", "/openapi.json")[1]
    listed = policy_server.request("GET", "/")[1]["paths"]
    operations = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    assert operations == listed.keys() - {"GET /healthz", "GET /openapi.json"}


ARRAY_KEYS = ["__ndarray__", "__image__", "data", "dtype", "shape", "format", "prompt"]
FLOATS = st.floats(allow_subnormal=False)  # torch has processes take these for 0
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["__ndarray__", b"__ndarray__", "__image__", "data", b"data", "dtype",
                         b"dtype", "shape", b"shape", "format"]) | st.text() | st.binary(),
        inner),
)  # fmt: skip


def decodes_or_refuses(data: bytes) -> None:
    with contextlib.suppress(RequestError):
        unpack(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decodes_or_refuses(data)


@given(VALUES)
def test_any_msgpack_is_decoded_or_refused(value: Any) -> None:
    decodes_or_refuses(msgpack.packb(value))


def random_value(chance: random.Random, depth: int = 0) -> Any:
    """A value that msgpack can pack: often an array on the wire with one field changed."""
    if depth < 4 and chance.random() < 0.4:
        if chance.random() < 0.5:
            return [random_value(chance, depth + 1) for _ in range(chance.randrange(5))]
        size = chance.randrange(6)
        message = {
            b"__ndarray__": True, b"data": chance.randbytes(4 * size), b"dtype": "<f4",
            b"shape": [size],
        }  # fmt: skip
        key = chance.choice(ARRAY_KEYS)
        message[chance.choice([key, key.encode()])] = random_value(chance, depth + 1)
        return message
    return chance.choice(
        [None, True, chance.getrandbits(63), -1, chance.random(), float("nan"), "<f4", "|u1",
         "|O", chance.randbytes(chance.randrange(40)), [chance.randrange(-1, 9)] * 3, 2**64 - 1]
    )  # fmt: skip


@pytest.mark.slow
def test_a_hundred_thousand_messages() -> None:
    """Half of them are packed values, some with a damaged byte; half are random bytes."""
    chance = random.Random(0)
    for _ in range(50_000):
        message = bytearray(msgpack.packb(random_value(chance)))
        if chance.random() < 0.5:
            message[chance.randrange(len(message))] = chance.randrange(256)
        decodes_or_refuses(bytes(message))
        decodes_or_refuses(chance.randbytes(chance.randrange(200)))


def test_arrays_return_as_they_were() -> None:
    for dtype in ("uint8", "float32", "float64", "int64", "bool", "float16"):
        values = np.arange(6).reshape(2, 3).astype(dtype)
        for byte_keys in (True, False):
            same = unpack(pack({"a": values}, byte_keys=byte_keys))["a"]
            assert same.dtype == values.dtype
            assert (same == values).all()
    with pytest.raises(RequestError, match=str(MAX_ITEMS)):
        unpack(msgpack.packb([0] * (MAX_ITEMS + 1)))
