"""Deterministic mutations of bytes: the same name and number give the same mutant everywhere."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

TOKEN = re.compile(rb'"[^"\n]{0,200}"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|[\w./-]+')
NUMBERS = [
    b"0", b"-1", b"1", b"127", b"255", b"256", b"65535", b"2147483648", b"9223372036854775807",
    b"18446744073709551616", b"-9223372036854775809", b"1e308", b"1e999", b"-1e999", b"1e-320",
    b"NaN", b"Infinity", b".inf", b".nan", b"0.1", b"0x10", b"1_000", b"9" * 400, b"9" * 5000,
]  # fmt: skip
VALUES = [
    b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"', b"[[[[[[]]]]]]",
    b"\xed\xa0\x80",
    b'"../../../etc/passwd"', b'"/etc/passwd"', b"&a [*a]", b"!!int x", b"!!binary x",
    b"2001-99-99",
    b'"1999-01-01T00:00:00Z"', b'"1999-01-01T00:00:00"', b"\n", b"\r\n", b"\t", b": ", b"- ", b"#",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b]0;x\x07", b"%s%n", b"{:3000000000d}", b"[" * 2000,
    b"{" * 2000, b'{"a":' * 2000, b"|" * 300, b"*" * 3000, b"(" * 3000, "가".encode() * 200,
]  # fmt: skip
WORDS = [(1).to_bytes(4, "little"), b"\xff" * 4, b"\xff" * 8, b"\x00" * 8, b"\x7f\xff\xff\xff",
         b"\x80" * 10, (1 << 40).to_bytes(8, "little")]  # fmt: skip
Mutation = Callable[[random.Random, bytes], bytes]


def _place(rng: random.Random, data: bytes) -> tuple[int, int]:
    """A start and an end, mostly near each other."""
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + int(rng.expovariate(1 / 16)) + 1)


def flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def delete(rng: random.Random, data: bytes) -> bytes:
    start, end = _place(rng, data)
    return data[:start] + data[end:]


def insert(rng: random.Random, data: bytes) -> bytes:
    start, _ = _place(rng, data)
    return data[:start] + rng.choice([*VALUES, *NUMBERS, *WORDS, rng.randbytes(9)]) + data[start:]


def duplicate(rng: random.Random, data: bytes) -> bytes:
    start, end = _place(rng, data)
    times = rng.choice((1, 1, 2, 50))
    return data[:end] + data[start:end] * times + data[end:]


def duplicate_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"".join(lines)


def drop_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def swap_bytes(rng: random.Random, data: bytes) -> bytes:
    word = rng.choice(WORDS)
    start = rng.randrange(max(1, len(data)))
    return data[:start] + word + data[start + len(word) :]


def replace_token(rng: random.Random, data: bytes) -> bytes:
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return insert(rng, data)
    token = rng.choice(tokens)
    others = [*NUMBERS, *VALUES, rng.choice(tokens)[0], rng.choice(tokens)[0]]
    return data[: token.start()] + rng.choice(others) + data[token.end() :]


def replace_number(rng: random.Random, data: bytes) -> bytes:
    numbers = [match for match in TOKEN.finditer(data) if match[0].lstrip(b"-")[:1].isdigit()]
    if not numbers:
        return replace_token(rng, data)
    number = rng.choice(numbers)
    return data[: number.start()] + rng.choice(NUMBERS) + data[number.end() :]


MUTATIONS: list[Mutation] = [
    flip, delete, insert, duplicate, duplicate_line, drop_line, truncate, swap_bytes,
    replace_token, replace_token, replace_token, replace_number, replace_number,
]  # fmt: skip


def mutants(name: str, seed: bytes, count: int) -> Iterator[bytes]:
    """`count` mutants of a seed; each has one to four mutations."""
    for number in range(count):
        rng = random.Random(f"{name} {number}")
        data = seed
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = rng.choice(MUTATIONS)(rng, data)
        yield data
