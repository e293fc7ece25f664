"""Print the columns of every feed as Markdown: ``./run feed_columns``; ``--write`` puts them into the documentation."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from providers.feeds import feeds, layouts

START = "<!-- columns: generated, `uv run manage.py feed_columns --write` -->\n"
END = "<!-- end of columns -->\n"


def document() -> Path:
    """Return the page that shows the columns."""
    return Path(settings.BASE_DIR) / "docs" / "bring-your-data.md"


def markdown() -> str:
    """Return one table per feed and kind of subject, in English."""
    parts: list[str] = []
    with translation.override("en"):
        for feed in feeds():
            for layout in layouts(feed):
                about = f" by {layout.subject}" if layout.subject else ""
                parts.append(f"### {feed}{about}\n\n| Column | Type | What it is |\n|---|---|---|\n")
                for column in layout.columns:
                    name = f"**{column.name}**" if column.required else column.name
                    kind = f"code of a {column.refers}" if column.refers else str(column.kind)
                    said = column.help + (f" One of: {', '.join(column.choices)}." if column.choices else "")
                    parts.append(f"| {name} | {kind} | {said} |\n")
                parts.append("\n")
    return "".join(parts)


class Command(BaseCommand):
    help = "Print the columns of every feed as Markdown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="put them into docs/bring-your-data.md")

    def handle(self, *args: object, **options: Any) -> None:
        if not options["write"]:
            self.stdout.write(markdown())
            return
        page = document().read_text(encoding="utf-8")
        before, start, rest = page.partition(START)
        _old, end, after = rest.partition(END)
        if not start or not end:
            raise CommandError(f"{document()} has no place for the columns.")
        document().write_text(f"{before}{START}\n{markdown()}{END}{after}", encoding="utf-8")
