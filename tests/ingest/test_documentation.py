"""The documentation shows the columns there are, and the examples are mappings."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from providers.feeds import FEED_NAMES, feeds, layouts
from providers.management.commands.feed_columns import document, markdown
from providers.readers.mapping import read_mapping

EXAMPLES = sorted((Path(__file__).parents[2] / "providers" / "mappings").glob("**/*.yaml"))


def test_the_page_shows_the_columns_there_are():
    assert markdown() in document().read_text(encoding="utf-8")


def test_every_feed_has_a_name():
    assert set(FEED_NAMES) == set(feeds())


def test_the_mapping_on_the_page_is_one():
    page = document().read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert set(yaml.safe_load(example)) == set(read_mapping(example).__dataclass_fields__) - {
        "ignore_rest",
        "text",
        "beside",
    } | {"rest"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_mappings_fill_columns_their_feed_has(path: Path):
    mapping = read_mapping(path.read_text(encoding="utf-8"))
    names = {name for layout in layouts(mapping.feed) for name in layout.names()}
    assert {*mapping.columns, *mapping.constants} <= names
