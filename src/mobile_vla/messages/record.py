"""The one base of everything that is stored or printed."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An immutable value with named fields; reading one refuses keys it does not know.

    What lives only in memory is a dataclass instead.

    >>> class Speed(Record, frozen=True, kw_only=True):
    ...     metres_per_second: float
    >>> msgspec.json.decode(b'{"metres_per_second": 1.15}', type=Speed)
    Speed(metres_per_second=1.15)
    """
