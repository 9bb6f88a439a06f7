"""What the API refuses is said in the words of the commands, and with what to do."""

from __future__ import annotations

import pytest

from pilothouse.admin.api.inquiry import Mistaken
from pilothouse.admin.reading.services import named
from pilothouse.cli.asking import _refused
from pilothouse.cli.orders import _about
from pilothouse.config.settings import ConfigError
from pilothouse.structures.hostport import HostPort

HERE = HostPort("127.0.0.1", 18001)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (400, "lasts: must be a duration", "--for: must be a duration"),
        (400, "since: must be a time", "--since: must be a time"),
        (400, "the body: is none", "127.0.0.1:18001: the body: is none"),
        (409, "none is left; `force` drains it", "127.0.0.1:18001: none is left; `--force` drains it"),
        (404, "there is no service: x", "127.0.0.1:18001: there is no service: x"),
    ],
)
def test_a_parameter_is_called_as_its_flag(status, error, said) -> None:
    assert str(_refused(HERE, status, error)) == said


@pytest.mark.parametrize("status", [401, 403])
def test_whoever_is_not_let_in_is_told_how(status) -> None:
    said = str(_refused(HERE, status, "an order needs a token"))
    for each in ("--admin-tokens FILE", "--token-file FILE", "PILOTHOUSE_TOKEN_FILE"):
        assert each in said


def test_a_service_without_its_namespace_is_told_from_an_address() -> None:
    with pytest.raises(ConfigError, match="write NAMESPACE/NAME, such as shop/payments"):
        _about(["payments", "127.0.0.11"])
    assert _about(["fd00::9"]) == {"addresses": ["fd00::9"]}


@pytest.mark.parametrize("text", ["shop/payments:80", "shop/pay ments", "shop/a/b", "payments"])
def test_what_is_no_name_of_a_service_is_refused(text) -> None:
    with pytest.raises(Mistaken, match="must be NAMESPACE/NAME"):
        named(text)
