"""What an operator sets about a cluster: the section of the settings that belongs to this source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, model_validator

from pilothouse.kubernetes.selectors import selector
from pilothouse.sources import Common, Source, SourceSettings
from pilothouse.structures.paths import present
from pilothouse.structures.sections import ONE_OR_MANY, Conflict, Flag


class KubernetesSettings(SourceSettings):
    """The cluster that this runs in, with `kubernetes`, or one that a context of `kubeconfig` names.

    With a `service_selector` only Services and EndpointSlices that it selects are asked for; with several,
    those that any of them selects.
    """

    asked_by: ClassVar = "kubernetes"

    kubernetes: Annotated[
        bool, Flag("Serve the services of the Kubernetes cluster that this runs in, from its API server.")
    ] = False
    kubeconfig: Annotated[
        Annotated[Path, AfterValidator(present)] | None,
        Flag("Serve the services of the cluster that this kubeconfig leads to.", "FILE"),
    ] = None
    context: Annotated[
        str | None, Flag("Context of --kubeconfig.", "NAME", default="its current context")
    ] = None

    service_selector: Annotated[
        tuple[Annotated[str, AfterValidator(selector)], ...],
        ONE_OR_MANY,
        Flag(
            "Serve only Services of a cluster with these labels, such as 'team in (shop, office)'. "
            "Repeatable, for those that any selects.",
            "LABELS",
            repeatable=True,
        ),
    ] = ()

    write_status: Annotated[
        bool,
        Flag("Write the status of routes to the API server, and Events. One of several replicas writes."),
    ] = False

    @model_validator(mode="after")
    def _one_cluster(self) -> Self:
        if self.kubernetes and self.kubeconfig is not None:
            raise Conflict("exclude each other", "kubernetes", "kubeconfig")
        if self.context is not None and self.kubeconfig is None:
            raise Conflict("is of no use without --kubeconfig", "context")
        if self.write_status and not self.asked:
            raise Conflict("is of no use without --kubernetes or --kubeconfig", "write_status")
        return self

    @property
    def asked(self) -> bool:
        return self.kubernetes or self.kubeconfig is not None

    @property
    def selects(self) -> bool:
        return bool(self.service_selector)

    def source(self, common: Common) -> Source:
        from pilothouse.sources.kubernetes.factory import kubernetes

        return kubernetes(self, common)
