"""A service as the manifests that say the same: a Service, and an EndpointSlice for each port number."""

from __future__ import annotations

from itertools import groupby

from pilothouse.model.services import Endpoint, Service

_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  clusterIP: {vip}
  clusterIPs: [{vip}]
  ports:
    - {{name: http, port: 8080, appProtocol: http}}
"""

_SLICE = """\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-{port}
  namespace: {namespace}
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports:
  - {{name: http, port: {port}}}
endpoints:
"""


def manifest(service: Service) -> str:
    """One YAML file."""
    said = {"name": service.name.name, "namespace": service.name.namespace}
    parts = [_SERVICE.format(vip=service.spec.vips[0], **said)]
    for port, endpoints in groupby(sorted(service.endpoints, key=_port), _port):
        parts.append(_SLICE.format(port=port, **said))
        parts += [f"  - {{addresses: [{e.address}], zone: {e.locality.zone}}}\n" for e in endpoints]
    return "".join(parts)


def _port(endpoint: Endpoint) -> int:
    return endpoint.ports[0][1] or 0
