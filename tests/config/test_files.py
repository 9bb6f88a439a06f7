"""Files of settings that no parser can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.config.settings import ConfigError, load


@pytest.mark.parametrize("text", ['log_format: "\\U00110000"', "[" * 2000, "log_format: !!bool maybe"])
def test_a_file_that_a_parser_chokes_on_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"^{file}"):
        load({"config": str(file)}, {})
