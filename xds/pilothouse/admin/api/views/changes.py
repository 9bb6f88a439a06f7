"""What has changed, and what was rejected."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pilothouse.admin.api.views.base import View

NoteKind: TypeAlias = Literal["nack", "hold", "order"]


class AddressesView(View, frozen=True):
    """Some addresses: how many, and the first of them."""

    count: int
    first: tuple[str, ...]


class EndpointsChangedView(View, frozen=True):
    """How many endpoints there were and are, and which addresses came, went or are not as they were.

    The addresses are absent if there are too many endpoints to compare.
    """

    before: int
    after: int
    added: AddressesView | None = None
    removed: AddressesView | None = None
    changed: AddressesView | None = None


class FieldChangedView(View, frozen=True):
    """Something else about a service, such as its ports, policy or routes. Empty text: there was none."""

    name: str
    before: str
    after: str


class ChangedView(View, frozen=True):
    """A service that a change is about. `what` is the change in words.

    `endpoints` and `fields` say the same in values, for the first services of a change.
    """

    service: str
    place: str | None = None
    what: str | None = None
    endpoints: EndpointsChangedView | None = None
    fields: tuple[FieldChangedView, ...] = ()


class AnsweredView(View, frozen=True):
    """An answer of a proxy for one type, and how many seconds after the source had heard of the change."""

    node: str
    after: float
    type: str | None = None
    rejected: bool | None = None


class ToldView(View, frozen=True):
    """To whom a change was told together with those that came at the same time.

    All numbers count proxies, by node. Each of the `proxies` is in one of the others: it has `acknowledged`
    all that it was sent of the change, or `rejected` some of it; it has `left` without an answer, or has been
    waited for in vain; it turned out to lack nothing of it (`unneeded`); its answer is `outstanding`, or was
    when the process ended, so that nobody knows it (`unknown`). `rejected_by` and `left_by` have the first.
    `waited` is in seconds, from the source to the last answer, which was that of `slowest`. `answered` has
    the last answers, one for each type and proxy, the slowest first.
    """

    at: str
    proxies: int
    acknowledged: int
    rejected: int
    left: int
    outstanding: int
    unneeded: int = 0
    unknown: int = 0
    rejected_by: tuple[str, ...] = ()
    left_by: tuple[str, ...] = ()
    waited: float | None = None
    slowest: str | None = None
    answered: tuple[AnsweredView, ...] = ()


class ChangeView(View, frozen=True):
    """A report of a source that changed something.

    `delay` is how many seconds before `at` the source had heard of it.
    `touched` counts its services; `services` has the first of them. `waiting_for` has the first proxies that
    have not answered yet, or had not when the process ended. `earlier`: it is of an earlier
    process, as that knew it last. `trace_id`: of the trace that is sent when it has ended, if any is.
    """

    number: int
    at: str
    source: str
    touched: int
    services: tuple[ChangedView, ...]
    place: str | None = None
    published: ToldView | None = None
    waiting_for: tuple[str, ...] = ()
    earlier: bool | None = None
    delay: float | None = None
    trace_id: str | None = None


class ChangeList(View, frozen=True):
    items: tuple[ChangeView, ...]
    next: str | None = None


class BlamedView(View, frozen=True):
    """A service that a rejection is about, and its place. `quarantined`: it is in quarantine.

    `change` is the number of its last change that the rejected response had, if that is remembered.
    """

    service: str
    quarantined: bool
    source: str | None = None
    place: str | None = None
    change: int | None = None


class NackRow(View, frozen=True):
    """A rejection that is not over. `since` is the first of those in a row, the rest is of the last.

    `resource` is there if the text names one. `services` are those that the text names, else those whose
    changes were rejected, if they are few.
    """

    node: str
    peer: str
    type: str
    text: str
    since: str
    nonce: str
    resource: str | None = None
    services: tuple[BlamedView, ...] = ()


class NackList(View, frozen=True):
    items: tuple[NackRow, ...]
    next: str | None = None


class PropagationView(View, frozen=True):
    """What became of the changes of one source, and how long they took to the last acknowledgement.

    `counts` is cumulative: for each of `bounds`, in seconds, how many took no longer; and at the end how many
    were acknowledged by all. `total_seconds` is the sum of their times. The others are pending, not answered
    in time by some proxy (`incomplete`), `rejected` by some, or no proxy was there for them (`unneeded`).
    """

    source: str
    revisions: int
    pending: int
    incomplete: int
    rejected: int
    unneeded: int
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total_seconds: float


class PropagationList(View, frozen=True):
    items: tuple[PropagationView, ...]
    next: str | None = None


class NoteRow(View, frozen=True):
    """Somebody did something: a client rejected something, a loss was held, or an operator gave an order.

    `about` is a service, a source or a proxy.
    """

    number: int
    at: str
    kind: NoteKind
    who: str
    what: str
    about: str | None = None


class NoteList(View, frozen=True):
    items: tuple[NoteRow, ...]
    next: str | None = None
