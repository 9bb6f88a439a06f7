"""Annotations of a Pod about its own sidecar, which `sidecar/injection` reads."""

from __future__ import annotations

INJECT = "pilothouse.dev/inject"
DEPENDENCIES = "pilothouse.dev/dependencies"
EXCLUDED_PORTS = "pilothouse.dev/exclude-outbound-ports"
EXCLUDED_RANGES = "pilothouse.dev/exclude-outbound-ranges"
DRAIN = "pilothouse.dev/termination-drain-duration"

ALL = (INJECT, DEPENDENCIES, EXCLUDED_PORTS, EXCLUDED_RANGES, DRAIN)
