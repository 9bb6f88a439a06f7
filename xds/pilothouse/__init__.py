"""Pilothouse, an xDS control plane for Envoy. Data flows in one direction:

    sources -> registry -> translate -> resources -> protocol -> server

Sources read backends. The registry merges what they report. Each service is translated and encoded once, and
every stream that wants it sends the same bytes. ARCHITECTURE.md has the map.
"""

from importlib.metadata import version

__version__ = version("pilothouse")
