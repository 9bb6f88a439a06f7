"""An API server that is a fake, and a source that is in a hurry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pilothouse.apiserver.kubeconfig import Access
from pilothouse.kubernetes.served import WHOLE, ServedCluster
from pilothouse.sources.kubernetes.reflector import Pace
from pilothouse.sources.kubernetes.source import KubernetesSource

from ...apiserver.fake import FakeApi
from .backend import HURRIED


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi()
    yield made
    made.close()


@pytest.fixture
def source(api: FakeApi) -> Callable[..., KubernetesSource]:
    """A source of the fake: `source(included={"shop"}, pace=...)`."""

    def make(
        served: ServedCluster = WHOLE, pace: Pace = HURRIED, selectors: Sequence[str] = (), **access: Any
    ) -> KubernetesSource:
        return KubernetesSource(Access(api.url, **access), served, selectors=selectors, pace=pace)

    return make
