"""Whether the time to read a page grows as the page does, and not as its square.

    python -m benchmarks large_pages

Prints seconds for a page and for one eight times as long; exits 1 where the ratio is above 24.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mobile_vla.claims.read import read_document

PAGES: dict[str, Callable[[int], str]] = {
    "lines": lambda n: "Case 1 ran 12 epochs\n" * n,
    "columns": lambda n: "|" + " epochs |" * n + "\n|" + "--|" * n + "\n|" + " 12 |" * n + "\n",
    "list": lambda n: "- epochs: 12\n" * n,
    "long lines": lambda n: ("가 12에폭 " * 2000 + "\n\n") * (n // 2000),
}
SMALL, LARGE, LIMIT = 2000, 16_000, 24


def main(argv: Sequence[str]) -> int:
    """Run the command line above."""
    slow = False
    for name, page in PAGES.items():
        _seconds(page(SMALL))  # caches fill
        small, large = max(_seconds(page(SMALL)), 0.005), _seconds(page(LARGE))
        slow = slow or large > LIMIT * small
        print(f"{name:<10} {small:.3f} s, {LARGE // SMALL} times as long {large:.3f} s")
    return int(slow)


def _seconds(text: str) -> float:
    start = time.process_time()
    read_document(text.encode(), "page.md")
    return time.process_time() - start
