"""What the core has to say against its input: English, with the template and values for whoever says it otherwise."""

from collections.abc import Mapping


class Said(str):
    """A sentence, and what it was made of; values that are themselves said can be translated too."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]


def said(template: str, **values: object) -> Said:
    """Fill a template; its literal is what catalogues of translations are keyed by."""
    made = Said(template.format(**values))
    made.template, made.values = template, values
    return made
