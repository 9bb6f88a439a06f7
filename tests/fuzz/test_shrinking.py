"""The smallest input that fails, and batches that can be had again."""

from __future__ import annotations

import copy

from .batch import GOOD, batch, separate
from .shrinking import fewer, smaller


async def test_only_what_failing_needs_is_left_of_many() -> None:
    async def fails(some) -> bool:
        return {3, 17} <= {*some}

    assert [*await fewer(range(40), fails)] == [3, 17]


async def test_only_the_fields_that_failing_needs_are_left_of_a_document() -> None:
    document = next(one for one in GOOD if one["kind"] == "Service")

    async def fails(one) -> bool:
        return one.get("spec", {}).get("clusterIP") == "10.96.0.1"

    assert await smaller(document, fails) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "payments", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.1"},
    }


def test_a_batch_depends_on_its_seed_and_its_number_alone() -> None:
    assert batch(1, 2) == batch(1, 2)
    assert batch(1, 2).files != batch(1, 3).files
    assert batch(1, 2).files != batch(2, 2).files


def test_every_batch_can_be_written() -> None:
    for number in range(10):
        found = batch(7, number)
        assert all(separate(found.documents).files.values())


def test_mutating_leaves_the_good_documents_as_they_are() -> None:
    before = copy.deepcopy(GOOD)
    for number in range(20):
        batch(3, number)
    assert before == GOOD
