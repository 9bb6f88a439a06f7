"""Make before break across the types of one ADS stream (xDS: eventual consistency considerations).

Additions send clusters first. Routes follow when the client has acknowledged the clusters, which Envoy does
when they are warm. Removals go in the opposite order. Each wait is bounded. A response to an explicit request
waits only for the endpoints of clusters that the client was just sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.protocol.difference import Difference
from pilothouse.protocol.subscription import Subscription

WARM_S = 3.0  # wait for the client to acknowledge clusters
FOLLOW_UP_S = 0.25  # then wait for it to ask for the endpoints of new clusters
ARRIVE_S = 0.1  # wait for a reconnecting client to ask for listeners, too
RETURN_S = 1.0  # wait for a reconnecting client that asked for routes to acknowledge clusters
# Removed resources wait for routes and listeners to drop them. These may have to wait WARM_S themselves.
RELEASE_S = WARM_S + 3.0

#: The types that refer to clusters.
FOLLOWERS = tuple(type for type in TYPES if type.waits_for is ResourceType.CLUSTER)

Subscriptions = Mapping[ResourceType, Subscription]


class Ordering:
    """The waits of one stream. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._cold: set[str] = set()  # new clusters whose endpoints were not sent yet
        self._warm_by = 0.0
        self._followers_by = 0.0  # by then a reconnecting client has asked for listeners and routes
        self._held_until: dict[ResourceType, float] = {}  # not extended when more clusters are sent
        #: Clusters that a reconnecting client was sent before it asked for endpoints. They need endpoints
        #: again.
        self.warming: set[str] = set()
        #: When to look again if nothing else happens before; None if nothing waits.
        self.wake_at: float | None = None

    def begun(self, subscription: Subscription, now: float) -> None:
        """Note that a client which lists what it has asked for a type for the first time on this stream.

        A client that has clusters also has routes to them, and will ask for these, too.
        """
        if subscription.type is ResourceType.ENDPOINTS:
            subscription.again(self.warming)
        elif subscription.type is ResourceType.CLUSTER and subscription.report.returning:
            self._followers_by = now + ARRIVE_S

    def answered(self, type: ResourceType, now: float) -> None:
        """Note that the client accepted or rejected the last response of a type."""
        if type is ResourceType.CLUSTER:
            self._warm_by = min(self._warm_by, now + FOLLOW_UP_S)

    def sending(
        self, subscription: Subscription, difference: Difference, all: Subscriptions, now: float
    ) -> None:
        """Note what is about to be sent. It is not recorded in the subscription yet."""
        if subscription.type is ResourceType.CLUSTER:
            if difference.changed:
                self._warm(difference.changed, all, now)
        elif self._cold and subscription.type is ResourceType.ENDPOINTS:
            # These clusters no longer wait for their endpoints, even if they have none.
            names = [resource.name for resource in difference.changed]
            self._cold.difference_update(names, difference.missing)

    def _warm(self, resources: Collection[Resource], all: Subscriptions, now: float) -> None:
        """Send the endpoints of changed clusters again. A changed cluster warms until it gets its endpoints.

        The endpoints may be unchanged, and in Delta Envoy does not ask for them.
        """
        names = [resource.name for resource in resources]
        clusters = all[ResourceType.CLUSTER]
        if ResourceType.ENDPOINTS in all:
            all[ResourceType.ENDPOINTS].again(names)
        elif clusters.report.returning:
            self.warming.update(names)
        if ResourceType.LISTENER in all or clusters.report.returning:
            if now >= self._warm_by:
                self._cold.clear()
            self._cold.update(
                resource.name
                for resource in resources
                if not resource.complete and resource.name not in clusters.held.sent
            )
            self._warm_by = now + WARM_S

    def may_add(self, subscription: Subscription, all: Subscriptions, now: float) -> bool:
        """Whether additions of a type may be sent now. Routes follow the clusters that they lead to."""
        clusters = all.get(ResourceType.CLUSTER)
        if subscription is clusters:
            return self._arrived(subscription, all, now)
        if subscription.type.waits_for is not ResourceType.CLUSTER or clusters is None:
            return True
        asked = subscription.agenda.asked and not subscription.report.returning
        until = (self._warm_by if self._cold else now) if asked else self._hold(subscription, clusters, now)
        if now < until:
            self._wake(until)
            return False
        self._held_until.pop(subscription.type, None)
        return True

    def _arrived(self, clusters: Subscription, all: Subscriptions, now: float) -> bool:
        """Whether a reconnecting client had time to say that it has routes.

        They decide which clusters stay.
        """
        if not clusters.report.returning or ResourceType.LISTENER in all or now >= self._followers_by:
            return True
        self._wake(self._followers_by)
        return False

    def _hold(self, follower: Subscription, clusters: Subscription, now: float) -> float:
        """Until when routes or listeners wait for the clusters. `now` or earlier if they need not wait."""
        if not (clusters.exchange.awaiting or self._cold):
            return now
        bound = RETURN_S if follower.report.returning else WARM_S
        until = self._held_until.setdefault(follower.type, now + bound)
        # If clusters have not even been sent, wait for the whole time.
        return until if clusters.agenda.dirty else min(until, self._warm_by)

    def removable(self, subscription: Subscription, all: Subscriptions, now: float) -> list[str]:
        """The names of a type that are gone and may be taken away now.

        Clusters go after the routes to them.
        """
        gone_since = subscription.held.gone_since
        if not subscription.type.leaves_last:
            return sorted(gone_since)
        if now < self._followers_by and not all.keys() >= set(FOLLOWERS):
            self._wake(self._followers_by)
            return []
        if _released(subscription, all):
            return sorted(gone_since)
        ends = {name: since + RELEASE_S for name, since in gone_since.items()}
        overdue = [name for name, end in sorted(ends.items()) if end <= now]
        if len(overdue) < len(ends):
            self._wake(min(end for end in ends.values() if end > now))
        endpoints = all.get(ResourceType.ENDPOINTS)
        if (
            subscription.type is ResourceType.CLUSTER
            and endpoints is not None
            and not endpoints.exchange.awaiting
        ):
            return [name for name in overdue if name not in endpoints.held.gone_since]  # endpoints go first
        return overdue

    def _wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)


def _released(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether nothing that the client holds still refers to resources of this type that are gone."""
    gone_since, endpoints = subscription.held.gone_since.keys(), all.get(ResourceType.ENDPOINTS)
    if subscription.type is ResourceType.CLUSTER and endpoints is not None:
        departing = endpoints.held.gone_since.keys() | endpoints.agenda.dirty
        if not gone_since.isdisjoint(departing):
            return False
    return not any(
        all[type].agenda.pending or all[type].exchange.awaiting for type in FOLLOWERS if type in all
    )
