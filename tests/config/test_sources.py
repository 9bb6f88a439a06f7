"""A further source: its section alone brings flags, variables, keys, checks and help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Self

import pytest
from pydantic import Field, model_validator

from pilothouse.admin.settings import AdminSettings
from pilothouse.cli.serve import options
from pilothouse.config import settings as config
from pilothouse.config.settings import ConfigError, Settings, load, offered
from pilothouse.dns.settings import DnsSettings
from pilothouse.feeds.settings import FeedSettings
from pilothouse.registry.settings import VirtualIpSettings
from pilothouse.server.settings import XdsSettings
from pilothouse.sources import SourceSettings
from pilothouse.sources.files.settings import FilesSettings
from pilothouse.sources.settings import SharedSettings
from pilothouse.structures.sections import Flag, Section
from pilothouse.tracing.settings import TracingSettings


class PhonesSettings(SourceSettings):
    """The section of a source that is not in the product."""

    asked_by: ClassVar = "phones"

    phones: Annotated[bool, Flag("Serve what the telephone books have.")] = False
    phone_books: Annotated[Sequence[Path], Flag("A book.", "FILE", repeatable=True)] = ()
    phone_prefix: Annotated[int, Field(ge=1), Flag("International prefix.", "NUMBER")] = 49

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.phone_prefix == 99:
            raise ValueError("nobody has a telephone there")
        return self


@pytest.fixture(autouse=True)
def further(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line in the list of sources."""
    monkeypatch.setattr(config, "SOURCES", (FilesSettings, PhonesSettings))
    monkeypatch.chdir(tmp_path)


def phones(settings: Settings) -> PhonesSettings:
    (section,) = settings.sources
    assert isinstance(section, PhonesSettings)
    return section


def test_a_source_that_is_asked_for_needs_no_other() -> None:
    assert phones(load({"phones": True}, {})).phone_prefix == 49
    assert phones(load({}, {"PILOTHOUSE_PHONES": "true", "PILOTHOUSE_PHONE_PREFIX": "1"})).phone_prefix == 1


def test_sources_come_in_the_order_of_their_list(tmp_path: Path) -> None:
    settings = load({"phones": True, "manifests": [str(tmp_path)]}, {})
    assert [type(section) for section in settings.sources] == [FilesSettings, PhonesSettings]


def test_paths_of_its_section_are_relative_to_the_file_and_repeatable(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/p.yaml").write_text("phones: true\nphone-books: [a, b]\n")
    books = phones(load({"config": "sub/p.yaml"}, {})).phone_books
    assert [*books] == [Path("sub/a"), Path("sub/b")]
    said = {"PILOTHOUSE_PHONES": "1", "PILOTHOUSE_PHONE_BOOKS": "a:b"}
    assert [*phones(load({}, said)).phone_books] == [Path("a"), Path("b")]


def test_without_any_source_one_line_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^serve: needs a source: --manifests or --phones, as a flag, "):
        load({"phone_prefix": "1"}, {})


@pytest.mark.parametrize(
    ("prefix", "mistake"),
    [
        ("0", "PILOTHOUSE_PHONE_PREFIX: must be 1 or more, not 0"),
        ("99", "serve: nobody has a telephone there"),
    ],
)
def test_its_checks_are_told_as_all_others(prefix: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as error:
        load({"phones": True}, {"PILOTHOUSE_PHONE_PREFIX": prefix})
    assert str(error.value) == mistake


def test_its_flags_are_those_of_serve() -> None:
    found = {each.name: each for each in options(offered())}
    assert [*found][2:5] == ["phones", "phone_books", "phone_prefix"]
    option = found["phone_prefix"].annotation.__metadata__[0]
    assert (option.help, option.metavar) == ("International prefix.  [default: 49]", "NUMBER")
    assert found["phones"].annotation.__args__[0] == bool | None
    assert found["phone_books"].annotation.__args__[0] == list[str] | None
    assert all(each.default is None for each in found.values())


def test_no_two_sections_have_a_setting_of_the_same_name() -> None:
    """It would be one flag, and each of them would take it for its own."""
    sections: list[type[Section]] = [
        XdsSettings,
        AdminSettings,
        SharedSettings,
        VirtualIpSettings,
        FeedSettings,
        TracingSettings,
        DnsSettings,
        *config.SOURCES,
    ]
    names = [name for section in sections for name in section.model_fields]
    assert sorted(names) == sorted(set(names))
    assert {*Settings.__bases__} <= {*sections}
