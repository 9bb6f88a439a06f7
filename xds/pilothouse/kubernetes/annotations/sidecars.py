"""Annotations of a Pod about its own sidecar, which `sidecar/wishes` reads."""

from __future__ import annotations

INJECT = "pilothouse.dev/inject"
DEPENDENCIES = "pilothouse.dev/dependencies"
EXCLUDED_PORTS = "pilothouse.dev/exclude-outbound-ports"
EXCLUDED_RANGES = "pilothouse.dev/exclude-outbound-ranges"
DRAIN = "pilothouse.dev/termination-drain-duration"
CAPTURE_DNS = "pilothouse.dev/capture-dns"

ALL = (INJECT, DEPENDENCIES, EXCLUDED_PORTS, EXCLUDED_RANGES, DRAIN, CAPTURE_DNS)
