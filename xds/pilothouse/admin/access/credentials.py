"""The file of tokens, which is read again when it changes. A broken version changes nothing."""

from __future__ import annotations

from pathlib import Path

import structlog

from pilothouse.admin.access.tokens import Tokens, Unreadable, read
from pilothouse.feeds.looking import Looking
from pilothouse.structures.paths import content, exposed

log = structlog.get_logger(__name__)

_LONGEST = 1 << 20


def tokens(file: Path) -> Tokens:
    """The tokens of a file. Raises Unreadable, also if every user of the machine could read it."""
    try:
        exposure = exposed(file)
        text = content(file, _LONGEST).decode("ascii")
    except OSError as error:
        raise Unreadable(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{file}: is no ASCII text") from None
    if exposure:
        raise Unreadable(f"{file}: {exposure}")
    try:
        return read(text)
    except Unreadable as wrong:
        raise Unreadable(f"{file}: {wrong}") from None


class TokenFile:
    """The tokens in force of a file. Whoever is removed from it is refused within seconds."""

    def __init__(self, file: Path) -> None:
        """Raises Unreadable."""
        self._file = file
        self.tokens = tokens(file)
        #: Why the present file is not used. Empty if it is.
        self.error = ""
        looking = Looking("tokens", self.refresh)
        self.watched, self.look = looking.watched, looking.look

    @property
    def warnings(self) -> list[str]:
        """What a user should repair."""
        return [f"{self.error}; keeping what was read before"] if self.error else []

    def refresh(self) -> None:
        """Read the file again. It comes into force if it can be used."""
        try:
            found = tokens(self._file)
        except Unreadable as error:
            if str(error) != self.error:
                self.error = str(error)
                log.error("tokens cannot be used, keeping the earlier ones", reason=self.error)
            return
        if found != self.tokens:
            log.info("tokens read again", file=str(self._file), count=len(found.known))
        self.tokens, self.error = found, ""
