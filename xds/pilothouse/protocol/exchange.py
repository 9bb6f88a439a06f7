"""The last response of one type on one stream, and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from pilothouse.protocol.limits import LONGEST_REASON, cut
from pilothouse.structures.delivery import Deliveries, confirmed, refused, withdrawn


@dataclass(slots=True)
class Exchange:
    """At most one response is unanswered, unless the client asks on without an answer."""

    nonce: str = ""  # of the last response
    awaiting: bool = False  # the last response is unanswered
    # A request that accepts it, as Envoy encodes it: what comes before the names, the names, what follows.
    acceptance: tuple[bytes, bytes, bytes] = (b"", b"", b"")
    error: str = ""  # why the client rejected the last response
    pushed: Deliveries = ()  # what is in responses that are unanswered

    def naming(self, names: bytes) -> None:
        """Answers to the next response will have these names, encoded, if they are mere ACKs."""
        self.acceptance = (b"", names, b"")

    def doubt(self) -> None:
        """The next answer has to be decoded, whatever it says."""
        self.acceptance = (b"", b"", b"")

    def sent(self, nonce: str, before: bytes, after: bytes, noted: Deliveries) -> None:
        """A response was sent. A request that accepts it has `before` and `after` around the names."""
        self.nonce, self.awaiting = nonce, True
        self.acceptance = (before, self.acceptance[1], after)
        if self.pushed:  # of a client that asks on without an answer; of what is given up nobody waits for it
            self.pushed = tuple([each for each in (*self.pushed, *noted) if each.live])
        else:
            self.pushed = noted

    def answered(self, request: DiscoveryRequest | DeltaDiscoveryRequest, now: float) -> None:
        """The client accepted the last response, or rejected it: a state, not a failure."""
        rejected = request.HasField("error_detail")
        # A later request may repeat the nonce, and accepts nothing by that.
        if self.awaiting or rejected:
            reason = cut(request.error_detail.message, LONGEST_REASON) or "no reason given"
            self.error = reason if rejected else ""
        self.awaiting = False
        pushed, self.pushed = self.pushed, ()
        (refused if rejected else confirmed)(pushed, now)

    def accepted_by(self, data: bytes) -> bool:
        """Whether an encoded request says no more than that the last response is accepted."""
        before, names, after = self.acceptance
        return (
            self.awaiting
            and 0 < len(data) == len(before) + len(names) + len(after)
            and data.endswith(after)
            and data.startswith(before)
            and data.startswith(names, len(before))
        )

    def accepted(self, now: float) -> None:
        """The client accepted the last response."""
        self.awaiting, self.error = False, ""
        if self.pushed:
            confirmed(self.pushed, now)
            self.pushed = ()

    def end(self) -> None:
        """The client answers nothing any more."""
        self.awaiting = False
        withdrawn(self.pushed)
        self.pushed = ()
