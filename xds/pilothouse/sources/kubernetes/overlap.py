"""What several lists of one kind show together, each of which has a label selector of its own. Pure.

An object that two of them show is one object. It is gone when none shows it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.kubernetes.objects.types import Key
from pilothouse.sources.kubernetes.decoding import Found
from pilothouse.sources.kubernetes.statements import Listed, Put, Statement


class Overlap:
    """Of one kind, in one namespace or in all. `joined` says what a statement of one list means for all."""

    def __init__(self, selectors: Iterable[str]) -> None:
        # By selector, what it shows: each object with its resourceVersion. None until it was listed.
        self._shown: dict[str, dict[Key, str] | None] = dict.fromkeys(selectors)

    def joined(self, statement: Statement) -> Statement | None:
        """None if nothing follows for all lists together."""
        selector = statement.scope.selector
        if isinstance(statement, Listed):
            self._shown[selector] = {one.key: one.version for one in statement.found}
            others = self._of_others(selector)
            news = tuple(one for one in statement.found if not _outdated(one, others))
            complete = all(shown is not None for shown in self._shown.values())
            return statement._replace(found=news, beside=frozenset(others) if complete else None)
        shown = self._shown[selector]
        assert shown is not None, "a watch begins with a list"
        if isinstance(statement, Put):
            found = statement.found
            shown[found.key] = found.version
            return None if _outdated(found, self._of_others(selector, found.key)) else statement
        shown.pop(statement.key, None)
        return None if self._of_others(selector, statement.key) else statement

    def _of_others(self, selector: str, only: Key | None = None) -> dict[Key, str]:
        """What other lists show, or whether they show one object; each in its newest version."""
        newest: dict[Key, str] = {}
        for other, shown in self._shown.items():
            if other == selector or not shown:
                continue
            for key in shown if only is None else {only} & shown.keys():
                if key not in newest or _older(newest[key], shown[key]):
                    newest[key] = shown[key]
        return newest


def _outdated(found: Found, others: Mapping[Key, str]) -> bool:
    """Whether another list has shown a newer version, as this watch lags behind."""
    return found.key in others and _older(found.version, others[found.key])


def _older(version: str, other: str) -> bool:
    """Versions of one object are numbers that grow. Of a server where they are not, none is older."""
    return version.isdecimal() and other.isdecimal() and int(version) < int(other)
