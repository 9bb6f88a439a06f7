"""Make before break across the types of one ADS stream (xDS: eventual consistency considerations).

What is added goes clusters first: routes follow when the client has acknowledged the clusters, which
Envoy does when they are warm. What goes away goes the other way round. Each wait is bounded, and what
a client asks for explicitly waits for nothing but the endpoints of clusters that it was just sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pilothouse.encoding.resources import Resource
from pilothouse.encoding.types import TYPES, ResourceType
from pilothouse.protocol.subscription import Difference, Subscription

WARM_S = 3.0  # for the acknowledgement of clusters
FOLLOW_UP_S = 0.25  # from there, for the client to ask for the endpoints of new clusters
ARRIVE_S = 0.1  # for a returning client to ask for listeners, too
RETURN_S = 1.0  # for the acknowledgement of clusters by a returning client that has asked for routes
RELEASE_S = WARM_S + 3.0  # for routes and listeners, which may wait themselves, to let go of what is removed

#: What refers to clusters.
FOLLOWERS = tuple(type for type in TYPES if type.waits_for is ResourceType.CLUSTER)

Subscriptions = Mapping[ResourceType, Subscription]


class Ordering:
    """Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._cold: set[str] = set()  # new clusters whose endpoints have not been sent
        self._warm_by = 0.0
        self._followers_by = 0.0  # when a returning client will have asked for listeners and routes
        self._held_until: dict[ResourceType, float] = {}  # whatever clusters are sent meanwhile
        #: Clusters that a returning client was sent before it asked for endpoints, which they need anew.
        self.warming: set[str] = set()
        #: When to look again if nothing else happens before; None if nothing waits.
        self.wake_at: float | None = None

    def begun(self, subscription: Subscription, now: float) -> None:
        """A client that can say what it has asked for a type for the first time on this stream.

        One that has clusters has routes that refer to them, too, and will say so.
        """
        if subscription.type is ResourceType.ENDPOINTS:
            subscription.again(self.warming)
        elif subscription.type is ResourceType.CLUSTER and subscription.report.returning:
            self._followers_by = now + ARRIVE_S

    def answered(self, type: ResourceType, now: float) -> None:
        """The last response of a type was accepted or rejected."""
        if type is ResourceType.CLUSTER:
            self._warm_by = min(self._warm_by, now + FOLLOW_UP_S)

    def sending(
        self, subscription: Subscription, difference: Difference, all: Subscriptions, now: float
    ) -> None:
        """This is about to be sent, and is not recorded yet."""
        if subscription.type is ResourceType.CLUSTER:
            if difference.changed:
                self._warm(difference.changed, all, now)
        elif self._cold and subscription.type is ResourceType.ENDPOINTS:
            # These clusters wait for their endpoints no more, even if there are none.
            names = [resource.name for resource in difference.changed]
            self._cold.difference_update(names, difference.missing)

    def _warm(self, resources: Collection[Resource], all: Subscriptions, now: float) -> None:
        """Changed clusters warm until their endpoints come, changed or not, so these are sent again.

        In Delta Envoy does not ask for them.
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
        """Whether what is new of a type may be sent: routes only after the clusters they lead to."""
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
        """Whether it is known if a returning client has routes, and so which clusters it may not lose yet."""
        if not clusters.report.returning or ResourceType.LISTENER in all or now >= self._followers_by:
            return True
        self._wake(self._followers_by)
        return False

    def _hold(self, follower: Subscription, clusters: Subscription, now: float) -> float:
        """How long routes or listeners wait for the clusters; not past `now` if they need not."""
        if not (clusters.exchange.awaiting or self._cold):
            return now
        bound = RETURN_S if follower.report.returning else WARM_S
        until = self._held_until.setdefault(follower.type, now + bound)
        # Clusters that could not even be sent are worth the whole wait.
        return until if clusters.agenda.dirty else min(until, self._warm_by)

    def removable(self, subscription: Subscription, all: Subscriptions, now: float) -> list[str]:
        """What is gone of a type and may be taken away: clusters only after the routes to them."""
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
            return [name for name in overdue if name not in endpoints.held.gone_since]  # they go first, now
        return overdue

    def _wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)


def _released(subscription: Subscription, all: Subscriptions) -> bool:
    """Whether the client holds nothing any more that refers to what is gone of this type."""
    gone_since, endpoints = subscription.held.gone_since.keys(), all.get(ResourceType.ENDPOINTS)
    if subscription.type is ResourceType.CLUSTER and endpoints is not None:
        departing = endpoints.held.gone_since.keys() | endpoints.agenda.dirty
        if not gone_since.isdisjoint(departing):
            return False
    return not any(
        all[type].agenda.pending or all[type].exchange.awaiting for type in FOLLOWERS if type in all
    )
