"""Trace one subject's score through the tree, down to the operands, in exact numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from scoring.core.calculate import ONE, ZERO, Cells, gather, numbers, truths
from scoring.core.evaluate import Evaluation, combine
from scoring.core.exact import Exact, ExactField, rational
from scoring.core.formula import Call, Formula, Literal, Operand, Tree
from scoring.core.inputs import Inputs, State
from scoring.core.rubric import Leaf, Node, Rubric, leaf_operands
from scoring.core.score import as_decimal, flag_order, judge


@dataclass(frozen=True, slots=True)
class Cell:
    """One operand as it was read; value None = it held no number."""

    operand: Operand
    state: State
    value: Fraction | None


@dataclass(frozen=True, slots=True)
class Line:
    """One node or indicator of a trace; points in points of the scale, shares of the total's weight.

    value, numerator, denominator, count (the sample) only for indicators; state None for nodes.
    share is the weight as written, share_after the one it took part with.
    Contributions of indicators add up to the total.
    headroom: what the total would gain if this alone stood at the top of the scale.
    """

    code: str
    parent: str | None
    depth: int
    is_leaf: bool
    state: State | None
    value: Fraction | None
    numerator: Fraction | None
    denominator: Fraction | None
    count: Fraction | None
    points: Fraction | None
    shown: Decimal | None
    weight: int
    share: Fraction
    share_after: Fraction
    contribution: Fraction
    shown_contribution: Decimal
    headroom: Fraction
    policies: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A score opened down to its operands; lines stand in the order of the rubric, the root first."""

    subject: str
    total: Fraction | None
    published: Decimal | None
    grade: str | None
    grade_before_floors: str | None
    status: str
    flags: tuple[str, ...]
    lines: tuple[Line, ...]

    def line(self, code: str) -> Line:
        """The line of a node or indicator; KeyError if there is none."""
        for line in self.lines:
            if line.code == code:
                return line
        raise KeyError(code)


def trace(rubric: Rubric, inputs: Inputs, subject: str) -> Trace:
    """Explain a score; ValueError if the subject is not in the inputs."""
    alone = inputs.take([inputs.row(subject)])
    judged = judge(rubric, alone, ExactField(1))
    flags = tuple(flag for flag in flag_order(rubric) if flag in judged.flagged)
    rated = bool(judged.rated[0])
    units = int(judged.units[0])
    codes = [grade.code for grade in rubric.grades]
    grade, before = int(judged.grade[0]), int(judged.grade_before_floors[0])
    tracer = _Tracer(rubric, alone, judged.made, flags, rated)
    return Trace(
        subject=subject,
        total=_point(judged.made.points(rubric.root.code)) if rated else None,
        published=as_decimal(units, rubric.published_decimals) if rated else None,
        grade=codes[grade] if grade >= 0 else None,
        grade_before_floors=codes[before] if before >= 0 else None,
        status="rated" if rated else "not_rated",
        flags=flags,
        lines=tuple(tracer.lines(units)),
    )


def largest_remainder(parts: Sequence[Fraction], target: int) -> list[int]:
    """Round parts to whole numbers that add up to the target: all down, then the largest remainders up."""
    whole = [floor(part) for part in parts]
    order = sorted(range(len(parts)), key=lambda index: whole[index] - parts[index])
    for index in order[: target - sum(whole)]:
        whole[index] += 1
    return whole


class _Tracer:
    """Walks the tree of one subject, from the root down."""

    def __init__(
        self, rubric: Rubric, inputs: Inputs, made: Evaluation[Exact], flags: Sequence[str], rated: bool
    ) -> None:
        self._rubric = rubric
        self._inputs = inputs
        self._made = made
        self._flags = flags
        self._total = _point(made.points(rubric.root.code)) if rated else None
        self._marginals: dict[str, Fraction] = {rubric.root.code: ONE if rated else ZERO}
        self._parents: dict[str, Node] = {}

    def lines(self, units: int) -> Iterator[Line]:
        """Make the lines; `units` is the published total in whole units."""
        root = self._rubric.root
        yield from self._lines(root, None, 0, 1, (ONE, ONE), units if self._total is not None else 0)

    def _lines(
        self,
        item: Node | Leaf,
        parent: Node | None,
        depth: int,
        weight: int,
        shares: tuple[Fraction, Fraction],
        shown: int,
    ) -> Iterator[Line]:
        yield self._line(item, parent, depth, weight, shares, shown)
        if isinstance(item, Leaf):
            return
        result = self._made.nodes[item.code]
        written = [int(column[0]) for column in result.weights]
        taken = [int(column[0]) for column in result.taken]
        points = [_point(self._made.points(child.code)) for child in item.children]
        gains = marginals(item, _point(self._made.points(item.code)), points, taken)
        for child, marginal in zip(item.children, gains, strict=True):
            self._marginals[child.code] = self._marginals[item.code] * marginal
            self._parents[child.code] = item
        scale = 10**self._rubric.published_decimals
        rounded = largest_remainder([self._contribution(child.code) * scale for child in item.children], shown)
        alive = result.points.known[0]
        for child, before, after, units in zip(item.children, written, taken, rounded, strict=True):
            part = Fraction(after, sum(taken)) if alive and sum(taken) else ZERO
            down = (shares[0] * Fraction(before, sum(written)), shares[1] * part)
            yield from self._lines(child, item, depth + 1, before, down, units)

    def _line(
        self,
        item: Node | Leaf,
        parent: Node | None,
        depth: int,
        weight: int,
        shares: tuple[Fraction, Fraction],
        shown: int,
    ) -> Line:
        decimals = self._rubric.published_decimals
        points = _point(self._made.points(item.code))
        rounded = int(self._made.points(item.code).number.units(decimals)[0])
        leaf = self._made.leaves.get(item.code)
        over, under = _quotient(item, self._inputs) if isinstance(item, Leaf) else (None, None)
        return Line(
            code=item.code,
            parent=None if parent is None else parent.code,
            depth=depth,
            is_leaf=leaf is not None,
            state=None if leaf is None else State(leaf.state[0]),
            value=None if leaf is None else _point(leaf.value),
            numerator=over,
            denominator=under,
            count=None if leaf is None or leaf.count is None else _point(leaf.count),
            points=points,
            shown=None if points is None else as_decimal(rounded, decimals),
            weight=weight,
            share=shares[0],
            share_after=shares[1] if points is not None or (parent is not None and parent.missing == "zero") else ZERO,
            contribution=self._contribution(item.code),
            shown_contribution=as_decimal(shown, decimals),
            headroom=self._headroom(item),
            policies=self._policies(item),
            cells=tuple(_cells(item, self._inputs)) if isinstance(item, Leaf) else (),
        )

    def _contribution(self, code: str) -> Fraction:
        points = _point(self._made.points(code))
        return ZERO if points is None else self._marginals[code] * points

    def _headroom(self, item: Node | Leaf) -> Fraction:
        """Put the item at the top of the scale and bring its ancestors together again."""
        points = _point(self._made.points(item.code))
        if (
            self._total is None
            or points is None
            or self._marginals.get(item.code) is None
            or points >= self._rubric.scale
        ):
            return ZERO
        changed: dict[str, Cells[Exact]] = {item.code: _known(self._rubric.scale)}
        below: Node | Leaf = item
        while below is not self._rubric.root:
            node = self._parents[below.code]
            children = [changed.get(child.code) or self._made.points(child.code) for child in node.children]
            weights = self._made.nodes[node.code].weights
            changed[node.code] = combine(node, children, weights, ExactField(1)).points
            below = node
        return (_point(changed[self._rubric.root.code]) or ZERO) - self._total

    def _policies(self, item: Node | Leaf) -> tuple[str, ...]:
        """The flags that are about this item; floors and gates act on the root."""
        if item is self._rubric.root:
            return tuple(flag for flag in self._flags if flag.startswith(("floor:", "gate", f"reweighted:{item.code}")))
        return tuple(kind for kind, _, code in (flag.partition(":") for flag in self._flags) if code == item.code)


def marginals(
    node: Node, value: Fraction | None, points: Sequence[Fraction | None], taken: Sequence[int]
) -> list[Fraction]:
    """What a node gains per point of each child; value, points: the node's and its children's, taken: their weights.

    Every aggregate grows in proportion when all children do, so marginal times points adds up to the node's points
    (Euler's theorem); that is what makes contributions complete, whatever the aggregate.
    """
    total = sum(taken)
    if value is None or total == 0:
        return [ZERO] * len(points)
    shares = [Fraction(weight, total) for weight in taken]
    match node.aggregate:
        case "weighted_mean":
            return shares
        case "geometric_mean":
            return [
                share * value / point if value and share and point else ZERO
                for share, point in zip(shares, points, strict=True)
            ]
        case "harmonic_mean":
            return [
                share * (value / point) ** 2 if value and share and point else ZERO
                for share, point in zip(shares, points, strict=True)
            ]
        case _:
            deciding = [bool(weight) and (point or ZERO) == value for weight, point in zip(taken, points, strict=True)]
            return [Fraction(decides, sum(deciding)) for decides in deciding]


def _known(value: Fraction) -> Cells[Exact]:
    return Cells(rational(value), ExactField(1).equal(rational(ZERO), rational(ZERO)))


def _point(cells: Cells[Exact]) -> Fraction | None:
    """The one number of a vector of one; None if it is not known."""
    return cells.number.fractions()[0] if bool(cells.known[0]) else None


def _cells(leaf: Leaf, inputs: Inputs) -> Iterator[Cell]:
    """Show what an indicator was read from, each operand once."""
    for operand in dict.fromkeys((Operand(leaf.code, "given"), *leaf_operands(leaf))):
        column = inputs.columns.get(operand)
        if column is not None:
            yield Cell(operand, State(column.state[0]), column.fraction(0))


def _quotient(leaf: Leaf, inputs: Inputs) -> tuple[Fraction | None, Fraction | None]:
    """Find numerator and denominator of an indicator whose formula is a quotient, as it was taken for this subject."""
    operands = leaf.value.operands(leaf.window)
    if Operand(leaf.code, "given") in inputs.columns or any(o not in inputs.columns for o in operands.values()):
        return None, None
    columns = gather(operands, inputs)

    def value(tree: Tree) -> Fraction | None:
        return _point(numbers(Formula("", tree, "number"), columns, ExactField(1)))

    def parts(tree: Tree) -> tuple[Tree, Tree] | None:
        match tree:
            case Call("/", (over, under)):
                return over, under
            case Call("*", (left, Literal() as factor)) if (inner := parts(left)) is not None:
                return Call("*", (inner[0], factor)), inner[1]
            case Call("if", (condition, then, otherwise)):
                decided = truths(Formula("", condition, "boolean"), columns, ExactField(1))
                return parts(then if decided.true[0] else otherwise) if decided.known[0] else None
        return None

    found = parts(leaf.value.tree)
    return (value(found[0]), value(found[1])) if found is not None else (None, None)
