"""Read YAML, or JSON already parsed, as nodes that keep the text of numbers and their lines, and collect the faults."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import yaml

from scoring.core.formula import nearest
from scoring.core.rubric import Fault, RubricError
from scoring.core.said import Said, said

LARGEST_FILE = 1_000_000
HEAVIEST = 10**9
LONGEST_LIST = 5_000
DEEPEST = 200
LONGEST_WINDOW = 3_660

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
_WINDOW = re.compile(r"([1-9][0-9]{0,3})d")

# What the library finds, and how we say it; of the rest we say what is needed and add its words.
_PROBLEMS: Sequence[tuple[str, Callable[[re.Match[str]], Said]]] = (
    (
        "mapping values are not allowed here",
        lambda _: said("a colon may not stand here; a text that holds one needs quotes"),
    ),
    (
        r"found character (.+) that cannot start any token",
        lambda found: said("nothing may begin with {character} without quotes", character=found[1]),
    ),
    ("found unexpected (?:end of stream|document separator)", lambda _: said("a quotation mark is not closed")),
    ("could not find expected ':'", lambda _: said("a key has no colon")),
    (
        r"expected ',' or '(.)', but got .+",
        lambda found: said("a comma or the closing {bracket} is missing", bracket=found[1]),
    ),
    (
        r"expected <block end>, but found .+",
        lambda _: said("this does not stand below what it belongs to; is it indented alike?"),
    ),
    (r"expected the node content, but found .+", lambda _: said("a value is missing")),
    (r"(?:block )?sequence entries are not allowed here", lambda _: said("a list may not begin here")),
    ("mapping keys are not allowed here", lambda _: said("a question mark may not begin a text without quotes")),
    ("second occurrence", lambda _: said("this anchor stands twice")),
    (
        r"(?:found )?(?:duplicate|incompatible|undefined tag) .+",
        lambda _: said("a rubric needs neither directives nor tags of YAML"),
    ),
    (r"expected [^<]+, but found '\\x00'", lambda _: said("a value is missing")),
    (
        r"expected [^<]+, but found (.+)",
        lambda found: said("{character} may not stand here without quotes", character=found[1]),
    ),
    (r"found undefined alias (.+)", lambda found: said("the anchor {name} is not defined", name=found[1])),
    (r"found unknown escape character (.+)", lambda found: said("\\{character} is no escape", character=found[1])),
    ("but found another document", lambda _: said("a second document begins here, a rubric is one")),
    (
        "special characters are not allowed",
        lambda _: said("this character is not allowed in a text file"),
    ),
)

type Entries = dict[str, yaml.Node]


def compose(source: str | bytes | Mapping[str, Any]) -> yaml.Node:
    """Turn the source into YAML nodes, which keep the text of numbers and the lines of everything."""
    try:
        if isinstance(source, Mapping):
            return yaml.SafeDumper(io.StringIO()).represent_data(dict(source))
        if len(source) > LARGEST_FILE:
            raise RubricError(
                (
                    Fault(
                        None,
                        "",
                        said(
                            "a rubric may have {most} characters, this one has {found}",
                            most=LARGEST_FILE,
                            found=len(source),
                        ),
                    ),
                )
            )
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        found = _composed(text)
    except UnicodeDecodeError as error:
        raise RubricError(
            (Fault(None, "", said("the file is not UTF-8 (byte {byte})", byte=error.start + 1)),)
        ) from None
    except yaml.YAMLError as error:
        raise RubricError((_no_yaml(error, text),)) from None
    except RecursionError:
        raise RubricError((Fault(None, "", said("this is nested too deep to be a rubric")),)) from None
    if found is None:
        raise RubricError((Fault(1, "", said("the rubric is empty")),))
    return found


def _no_yaml(error: yaml.YAMLError, text: str) -> Fault:
    """Say what is wrong and where, in our words as far as we have some."""
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    found = ((re.fullmatch(pattern, problem), worded) for pattern, worded in _PROBLEMS)
    unknown = said("put quotes around special characters and indent alike ({problem})", problem=problem)
    reason = next((worded(match) for match, worded in found if match), unknown)
    before = text[: mark.index if mark is not None else getattr(error, "position", 0)]
    column = len(before) - before.rfind("\n")
    return Fault(
        before.count("\n") + 1, "", said("this is not YAML: {reason} (column {column})", reason=reason, column=column)
    )


def _composed(text: str) -> yaml.Node | None:
    """Compose in C, ten times as fast; the Python library words the refusals, it names places better."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            # Composing recurses on the stack of C, which ends the process where Python would raise.
            if depth > DEEPEST:
                raise RecursionError
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


class Document:
    """Reads the pieces a rubric is made of; a piece that is refused is noted and replaced by a harmless one."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def _fault(self, node: yaml.Node | None, where: str, reason: str) -> None:
        mark = None if node is None else node.start_mark
        self.faults.append(Fault(None if mark is None else mark.line + 1, where, reason))

    def _entries(
        self, node: yaml.Node | None, where: str, keys: Sequence[str] | None = None, needs: Sequence[str] = ()
    ) -> Entries | None:
        """Read a mapping; keys None lets any key pass."""
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, where or "rubric", said("a mapping is needed, this is {found}", found=_kind(node)))
            return None
        entries: Entries = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in entries:
                self._fault(key, where, said("the key '{name}' stands twice", name=name))
            elif keys is not None and name not in keys:
                self._fault(
                    key, where, said("the key '{name}' is not known{near}", name=name, near=nearest(name, keys))
                )
            else:
                entries[name] = value
        for name in needs:
            if name not in entries:
                self._fault(node, where, said("'{name}' is needed", name=name))
        return entries

    def _sequence(self, node: yaml.Node | None, where: str, most: int = LONGEST_LIST) -> Sequence[yaml.Node]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._fault(node, where, said("a list is needed, this is {found}", found=_kind(node)))
            return ()
        elements = cast(Sequence[yaml.Node], node.value)
        if len(elements) > most:
            self._fault(
                node,
                where,
                said("a list may have {most} elements, this one has {found}", most=most, found=len(elements)),
            )
            return ()
        return elements

    def _text(self, node: yaml.Node | None, where: str) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, where, said("a text is needed, this is {found}", found=_kind(node)))
            return ""
        return str(node.value)

    def _choice(self, node: yaml.Node | None, where: str, choices: Sequence[str], default: str | None = None) -> str:
        if node is None:
            return choices[0] if default is None else default
        given = self._text(node, where)
        if given not in choices:
            known = ", ".join(choice for choice in choices if choice)
            self._fault(
                node,
                where,
                said("'{given}' is not one of {known}{near}", given=given, known=known, near=nearest(given, choices)),
            )
            return choices[0]
        return given

    def _decimal(self, node: yaml.Node | None, where: str, default: Fraction = Fraction(0)) -> Fraction:
        if node is None:
            return default
        given = self._text(node, where)
        if not _DECIMAL.fullmatch(given):
            self._fault(node, where, said("'{given}' is not a decimal number", given=given[:40]))
            return default
        return Fraction(given)

    def _share(self, node: yaml.Node | None, where: str) -> Fraction:
        share = self._decimal(node, where)
        if not 0 <= share <= 1:
            self._fault(node, where, said("{share} is not a share between 0 and 1", share=shown(share)))
        return share

    def _whole(
        self, node: yaml.Node | None, where: str, *, default: int = 0, low: int = 0, high: int = HEAVIEST
    ) -> int:
        if node is None:
            return default
        value = self._decimal(node, where, Fraction(max(default, low)))
        if value.denominator != 1 or not low <= value <= high:
            self._fault(
                node,
                where,
                said("{value} is not a whole number between {low} and {high}", value=shown(value), low=low, high=high),
            )
            return max(default, low)
        return int(value)

    def _window(self, node: yaml.Node | None, where: str) -> int:
        if node is None:
            return 0
        given = self._text(node, where)
        match = _WINDOW.fullmatch(given)
        if match is None or int(match[1]) > LONGEST_WINDOW:
            self._fault(
                node,
                where,
                said("'{given}' is not a window such as 90d, of at most {most} days", given=given, most=LONGEST_WINDOW),
            )
            return 1
        return int(match[1])

    def _names(self, node: yaml.Node | None, where: str) -> Mapping[str, str]:
        if isinstance(node, yaml.ScalarNode):
            return {"zh-hans": str(node.value), "en": str(node.value)}
        entries = self._entries(node, where, ("zh-hans", "en")) or {}
        return {language: self._text(value, where) for language, value in entries.items()}

    def _plain(self, node: yaml.Node, where: str) -> str | dict[str, str]:
        """Read what only people read: a text, or texts by name."""
        if not isinstance(node, yaml.MappingNode):
            return node_text(node)
        return {key: node_text(value) for key, value in (self._entries(node, where) or {}).items()}


def node_text(node: yaml.Node) -> str:
    """The text of a node, for messages and notes."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return ", ".join(_texts(node))


def _texts(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield element.value if isinstance(element, yaml.ScalarNode) else "…"
    else:
        yield "…"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return f"'{str(node.value)[:40]}'" if node.value else said("empty")
    return said("a list") if isinstance(node, yaml.SequenceNode) else said("a mapping")


def shown(value: Fraction) -> str:
    """A number of the rubric, for messages."""
    return str(value.numerator) if value.denominator == 1 else format(float(value), "g")
