"""Pilothouse, an xDS control plane for Envoy. Data flows one way:

    sources -> registry -> translate -> resources -> protocol -> server

Backends are read by sources, merged in the registry, translated and encoded once, and leave as the
same bytes on every stream that wants them. ARCHITECTURE.md has the map.
"""

from importlib.metadata import version

__version__ = version("pilothouse")
