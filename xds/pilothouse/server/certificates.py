"""The certificate, key and CA of the xDS port, which are read again when their files change.

The files are checked together. A new certificate whose key is not written yet changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from pilothouse.feeds.looking import Looking
from pilothouse.feeds.pem import Files, Unusable, read

log = structlog.get_logger(__name__)


class Certificates:
    """The certificates that new connections use. Open connections keep the ones they started with."""

    def __init__(self, files: Files) -> None:
        """Raises Unusable."""
        self._files = files
        self.tls = read(files)
        #: Why the present files are not used. Empty if they are used.
        self.error = ""
        self._warned: set[str] = set()
        looking = Looking("certificates", self.refresh)
        self.watched, self.look = looking.watched, looking.look
        self._warn()

    @property
    def warnings(self) -> list[str]:
        """What a user should know or repair."""
        stale = [f"{self.error}; keeping what was read before"] if self.error else []
        return stale + self._cautions()

    def refresh(self) -> None:
        """Read the files again. They come into force if they can be used."""
        try:
            found = read(self._files)
        except Unusable as error:
            if str(error) != self.error:
                self.error = str(error)
                log.error("certificates cannot be used, keeping the earlier ones", reason=self.error)
        else:
            if found.contents != self.tls.contents:
                log.info("certificates read again", cert=str(self._files.cert))
            self.tls, self.error = found, ""
        self._warn()

    def _cautions(self) -> list[str]:
        """Warnings of what is in force."""
        now = datetime.now(UTC)
        each = [self.tls.caution, *(validity.complaint(now) for validity in self.tls.validities)]
        return [caution for caution in each if caution]

    def _warn(self) -> None:
        """Log each warning once, and again if it has disappeared and come back."""
        cautions = self._cautions()
        for caution in cautions:
            if caution not in self._warned:
                log.warning("certificate", problem=caution)
        self._warned = set(cautions)
