"""Values of JSON lines as columns of one type each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST, _EXACT = 2**63, 2**53
"""Of whole numbers that 64 bits have, and that a float has exactly."""
_TEXT, _WHOLE, _LONG = "text", "int", "long"


class JsonTypes:
    """Learns from all lines what type a column has.

    All true or false, all whole numbers, all numbers, all texts: that type. Anything else, nested values and
    mixtures, is passed through as its JSON. Null may stand anywhere.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._kinds: dict[str, set[str]] = {name: set() for name in names}

    def look_at(self, document: Mapping[str, Any]) -> None:
        """One more line."""
        for name, kinds in self._kinds.items():
            if document.get(name) is not None:
                kinds.add(_kind(document[name]))

    def arrow(self) -> dict[str, pa.DataType]:
        """The type of each."""
        import pyarrow as pa

        found = {"bool": pa.bool_(), _WHOLE: pa.int64(), "float": pa.float64()}
        return {name: found.get(self._kind_of(name), pa.string()) for name in self._kinds}

    def value(self, name: str, value: Any) -> Any:
        """A value as the column's type has it."""
        kind = self._kind_of(name)
        if value is None or kind in (_TEXT, "bool", _WHOLE):
            return value
        return float(value) if kind == "float" else json.dumps(value)

    def _kind_of(self, name: str) -> str:
        kinds = self._kinds[name]
        if kinds and kinds <= {_WHOLE, _LONG}:
            return _WHOLE
        if len(kinds) == 1:
            return next(iter(kinds))
        if kinds == {_WHOLE, "float"}:
            return "float"
        return "json" if kinds else _TEXT


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if abs(value) <= _EXACT:
            return _WHOLE
        return _LONG if -_LARGEST <= value < _LARGEST else "json"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # "\ud800", which JSON can write
            return "json"
        return _TEXT
    return "json"
