"""The last response of one type on one stream, and the client's answer to it (ACK or NACK)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.limits import LONGEST_REASON
from pilothouse.structures.delivery import Deliveries, confirmed, left, live, refused
from pilothouse.structures.written import brief


class Nack(NamedTuple):
    """A rejection: the client's text, the nonce of what it rejected, and when, by the clock of the stream."""

    reason: str
    nonce: str
    at: float


@dataclass(slots=True)
class Exchange:
    """At most one response is unanswered, unless the client sends new requests without answering."""

    nonce: str = ""  # the nonce of the last response
    client: str = ""  # who answers, for those who wait for it
    to: str = ""  # the type of resources, for the same
    awaiting: bool = False  # the last response is unanswered
    # When the first of the unanswered responses was made, and when the last response was, by the clock of the
    # stream.
    since: float = 0.0
    at: float = 0.0
    number: int = 0  # which of all responses of the stream the last one is
    said: Difference | None = None  # what the last response states, until accepted; None: everything
    lapsed: bool = False  # the client should have answered: say it again
    repeated: bool = False  # it was said again
    # The ACK as Envoy encodes it, in three pieces: the bytes before the names, the names, the bytes after
    # them.
    acceptance: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    error: str = ""  # why the client rejected the last response
    nack: Nack | None = None  # the last one, whether or not the client has accepted anything since
    # Fingerprints of what the client has with the last response, and with the last one that it accepted.
    stated: int = 0
    accepted_state: int = 0
    accepted_nonce: str = ""  # the nonce of the last response that the client accepted
    # The last revision that was in force when the last response was made, and when the last accepted one was.
    revision: int = 0
    accepted_revision: int = 0
    pushed: Deliveries = ()  # the deliveries in unanswered responses

    def name(self, client: str, to: str) -> None:
        """Note who answers, and for which type of resources."""
        self.client, self.to = client, to

    def naming(self, names: bytes) -> None:
        """Expect these encoded names in a mere ACK of the next response."""
        self.acceptance = (b"", names, b"")

    def doubt(self) -> None:
        """Do not recognize the next answer by its bytes. It has to be decoded."""
        self.acceptance = (b"", b"", b"")

    def made(self, number: int, now: float, again: bool, revision: int) -> None:
        """Note when the response with this number was made, and from which revision.

        `again`: there was an unanswered one before.
        """
        if not again:
            self.since = now
        self.number, self.at, self.revision = number, now, revision

    def resumed(self, revision: int) -> None:
        """Note that the client has what this revision says from an earlier stream."""
        self.revision = self.accepted_revision = revision

    def sent(  # noqa: PLR0913  (a response has so many parts)
        self,
        nonce: str,
        before: bytes,
        after: bytes,
        noted: Deliveries,
        stated: int = 0,
        said: Difference | None = None,
    ) -> None:
        """Note that a response was sent. Its ACK has the bytes `before` and `after` around the names.

        `stated` is the fingerprint of all that the client has with it, and `said` what the response states.
        """
        again = self.awaiting
        self.nonce, self.awaiting, self.stated = nonce, True, stated
        self.said = said
        self.lapsed, self.repeated = False, self.lapsed or (self.repeated and again)
        self.acceptance = (before, self.acceptance[1], after)
        # The client asked again without answering. Deliveries that were given up are dropped: nobody waits
        # for them.
        if self.pushed:
            self.pushed = live((*self.pushed, *noted), self.client)
        else:
            self.pushed = noted

    def lapse(self) -> Collection[str]:
        """Note that the response has to be sent again. Returns the names that it states, if not all."""
        self.lapsed = True
        return self.said.names if self.said is not None else ()

    def answered(self, request: DiscoveryRequest | DeltaDiscoveryRequest, now: float) -> None:
        """Note that the client accepted or rejected the last response.

        A rejection is a state, not a failure.
        """
        rejected = request.HasField("error_detail")
        # A later request may repeat the nonce. That accepts nothing.
        if self.awaiting or rejected:
            reason = brief(request.error_detail.message, LONGEST_REASON) or "no reason given"
            self.error = reason if rejected else ""
            if rejected:
                self.nack = Nack(reason, self.nonce, now)
            else:
                self._accept()
        self._settle()
        pushed, self.pushed = self.pushed, ()
        if rejected:
            refused(pushed, now, self.client, self.error, self.to)
        else:
            confirmed(pushed, now, self.client, self.to)

    @property
    def unproven(self) -> Collection[str] | None:
        """Names that the last response states and that the client has not accepted as it states them.

        None: all that it holds.
        """
        if not (self.awaiting or self.error):
            return ()
        if self.accepted_nonce not in ("", self.nonce) and self.accepted_state == self.stated:
            return ()  # it had accepted the very same before
        return frozenset(self.said.names) if self.said is not None else None

    def accepted_by(self, data: bytes) -> bool:
        """Whether an encoded request is a mere ACK of the last response."""
        before, names, after = self.acceptance
        return (
            self.awaiting
            and 0 < len(data) == len(before) + len(names) + len(after)
            and data.endswith(after)
            and data.startswith(before)
            and data.startswith(names, len(before))
        )

    def accepted(self, now: float) -> None:
        """Note that the client accepted the last response."""
        self.awaiting, self.lapsed, self.error = False, False, ""
        self._accept()
        if self.pushed:
            confirmed(self.pushed, now, self.client, self.to)
            self.pushed = ()

    def end(self) -> None:
        """Note that the client will not answer any more."""
        self._settle()
        self.said = None
        left(self.pushed, self.client)
        self.pushed = ()

    def _accept(self) -> None:
        """The client has what the last response states."""
        self.accepted_nonce, self.accepted_state, self.said = self.nonce, self.stated, None
        self.accepted_revision = self.revision

    def _settle(self) -> None:
        """Nothing is unanswered any more."""
        self.awaiting, self.lapsed = False, False
