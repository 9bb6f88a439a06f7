"""The client's side of Delta xDS for one type of resources. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError

from pilothouse._pb.envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
)
from pilothouse.agent.learned import Learned
from pilothouse.encoding.types import ResourceType
from pilothouse.mesh.audience import Node
from pilothouse.structures.turns import Steps

_TYPE = ResourceType.NAMES
_TOLD = 3  # so many mistakes are told to the control plane


@dataclass(slots=True)
class Subscription:
    """Everything that the control plane has for a node. It outlives the streams over which it is heard of."""

    node: Node
    learned: Learned
    _versions: dict[str, str] = field(default_factory=dict)

    def first(self) -> DeltaDiscoveryRequest:
        """The request that begins a stream. It says what is known from streams before."""
        request = DeltaDiscoveryRequest(
            type_url=_TYPE.url,
            resource_names_subscribe=["*"],
            initial_resource_versions=self._versions,
        )
        request.node.id, request.node.user_agent_name = self.node.id, self.node.user_agent
        ParseDict(dict(self.node.metadata), request.node.metadata)
        return request

    def taking(self, response: DeltaDiscoveryResponse) -> Steps[DeltaDiscoveryRequest]:
        """Learn what a response says, in steps. The result is the answer to it.

        What cannot be used is told to the control plane. The rest is learned all the same.
        """
        mistakes = list[str]()
        for each in response.resources:
            try:
                self.learned.learn(each.name, each.resource.value)
            except (DecodeError, ValueError) as error:
                mistakes.append(f"{each.name}: {error}")
            else:
                self._versions[each.name] = each.version
            yield
        for name in response.removed_resources:
            self._versions.pop(name, None)
            self.learned.forget(name)
            yield
        answer = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if mistakes:
            answer.error_detail.code = 3  # INVALID_ARGUMENT
            answer.error_detail.message = "; ".join(mistakes[:_TOLD])
        return answer
