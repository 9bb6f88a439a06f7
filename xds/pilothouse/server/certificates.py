"""The certificate, the key and the CA of the xDS port: read from files, and read again when these change.

What is read is checked as a whole: a certificate whose key is not written yet changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from pilothouse.feeds.looking import Looking
from pilothouse.feeds.pem import Files, Unusable, read

log = structlog.get_logger(__name__)


class Certificates:
    """What is in force for new connections; open ones keep what they began with."""

    def __init__(self, files: Files) -> None:
        """Raises Unusable."""
        self._files = files
        self.tls = read(files)
        #: Why the files, as they are now, are not used; empty if they are.
        self.error = ""
        self._warned: set[str] = set()
        looking = Looking("certificates", self.refresh)
        self.watched, self.look = looking.watched, looking.look
        self._warn()

    @property
    def warnings(self) -> list[str]:
        """What asks for a person."""
        stale = [f"{self.error}; keeping what was read before"] if self.error else []
        return stale + self._cautions()

    def refresh(self) -> None:
        """Read the files again. What they hold is in force, if it is of use."""
        try:
            found = read(self._files)
        except Unusable as error:
            if str(error) != self.error:
                self.error = str(error)
                log.error("certificates cannot be used, those that were read before stay", reason=self.error)
        else:
            if found.contents != self.tls.contents:
                log.info("certificates read again", cert=str(self._files.cert))
            self.tls, self.error = found, ""
        self._warn()

    def _cautions(self) -> list[str]:
        """About what is in force."""
        now = datetime.now(UTC)
        each = [self.tls.caution, *(validity.complaint(now) for validity in self.tls.validities)]
        return [caution for caution in each if caution]

    def _warn(self) -> None:
        """Log each caution once, and again if it was gone meanwhile."""
        cautions = self._cautions()
        for caution in cautions:
            if caution not in self._warned:
                log.warning("certificate", problem=caution)
        self._warned = set(cautions)
