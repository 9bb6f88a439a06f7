"""What was taken back is kept on the disk as it was."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.model.services import ServiceSpec
from pilothouse.serving.versions import Refused


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.from_type(ServiceSpec))
def test_any_spec_is_read_as_it_was_written(spec: ServiceSpec) -> None:
    refused = Refused(spec, "no such file", spec)
    assert msgspec.json.decode(msgspec.json.encode(refused), type=Refused) == refused
