"""Documents that are left out are counted as files change, and told of once."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.kubernetes.documents import read
from pilothouse.kubernetes.served import ServedCluster
from pilothouse.model.reasons import Reason
from pilothouse.sources.files.disk import Look, Manifest
from pilothouse.sources.files.left_out import LeftOutDocuments

OTHER = "apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n---\n"


def manifest(*kinds: str) -> Manifest:
    text = "".join(OTHER.format(kind=kind) for kind in kinds) or "# nothing\n"
    return Manifest(text.encode(), read(text.encode()))


@pytest.fixture
def follow():
    """Follows one look after the other; returns what is new and how much there is."""
    documents, looks = LeftOutDocuments(ServedCluster()), [Look()]

    def look(**files: Manifest) -> Any:
        looks.append(Look(files))
        documents.follow(looks[-2], looks[-1])
        news = [(one.file, one.omission.what) for one in documents.news]
        return news, documents.by_reason[Reason.UNSUPPORTED_KIND]

    return look


def test_each_document_is_news_once_and_counts_until_it_is_gone(follow) -> None:
    a, b = manifest("ConfigMap", "Secret"), manifest("Secret")
    assert follow(a=a, b=b) == ([("a", "ConfigMap of v1"), ("a", "Secret of v1"), ("b", "Secret of v1")], 3)
    assert follow(a=a, b=b) == ([], 3)
    assert follow(a=manifest("Secret", "ConfigMap"), b=b) == ([], 3)
    assert follow(a=manifest("Secret", "Event"), b=b) == ([("a", "Event of v1")], 3)
    assert follow(b=b) == ([], 1)
    assert follow() == ([], 0)


def test_a_warning_with_a_reason_counts_and_is_told_elsewhere(follow) -> None:
    assert follow(a=manifest("Servce")) == ([], 1)
    assert follow(a=manifest("Service")) == ([], 0)
