"""Examples in the documentation are ones that work."""

from __future__ import annotations

import re
from pathlib import Path

from app.configuration import document, yaml_text

ROOT = Path(__file__).parents[2]


def test_the_configuration_in_the_start_page_is_accepted():
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "start.md").read_text(), re.S)
    assert len(blocks) == 1
    town = document.parse(yaml_text.read(blocks[0]))
    assert [p.key for p in town.policies] == ["shop"]
