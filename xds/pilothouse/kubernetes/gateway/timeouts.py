"""`timeouts` and `retry` of a rule (GEP-1742, GEP-1731)."""

from __future__ import annotations

from pilothouse.kubernetes.durations import milliseconds
from pilothouse.kubernetes.fields import Fields
from pilothouse.kubernetes.gateway.limits import unsupported
from pilothouse.model.routing import Retry

_MOST_ATTEMPTS = 1_000


def duration_ms(item: Fields, key: str) -> int | None:
    """The milliseconds of a duration. None if the field is absent."""
    text = item.text(key)
    if not text:
        return None
    found = milliseconds(text)
    if found is None:
        raise item.error(key, f'"{text}" is not a duration such as 500ms or 1m30s')
    return found


def retry(item: Fields) -> Retry | None:
    """Read `retry`. Raises Unsupported if the number of attempts is out of range."""
    if "retry" not in item:
        return None
    said = item.at("retry")
    codes = said.anything("codes") or []
    if not isinstance(codes, list) or not all(isinstance(code, int) and 400 <= code <= 599 for code in codes):
        raise said.error("codes", "is not a list of status codes in 400..599")
    attempts = said.integer("attempts")
    if attempts is not None and not 0 <= attempts <= _MOST_ATTEMPTS:
        raise unsupported(said, "attempts", f"{attempts} is not in 0..{_MOST_ATTEMPTS}")
    return Retry(tuple(codes), 1 if attempts is None else attempts, duration_ms(said, "backoff") or 0)
