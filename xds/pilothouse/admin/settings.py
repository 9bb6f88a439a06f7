"""The settings of the admin port. `health` needs only these to find a running `serve`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pilothouse.structures.hostport import HostPort
from pilothouse.structures.sections import Address, Conflict, Flag, Section


class AdminSettings(Section):
    """`workers` processes share the xDS port. Each has its own admin port, counting up from `admin`."""

    admin: Annotated[Address, Flag("Admin HTTP listen address.", "HOST:PORT")] = HostPort("127.0.0.1", 18001)
    workers: Annotated[
        int, Field(ge=1, le=64), Flag("Number of processes that share the xDS port.", "COUNT")
    ] = 1

    @model_validator(mode="after")
    def _ports_suffice(self) -> Self:
        if self.admin.port + self.workers - 1 > 65535:
            mistake = f"there are not {self.workers} ports from {self.admin} upwards, one for each"
            raise Conflict(mistake, "workers", "admin")
        return self
