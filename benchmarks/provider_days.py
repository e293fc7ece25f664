"""Providers with running totals, states and totals per person of every day, written as the roll-up leaves them."""

from __future__ import annotations

from datetime import date, timedelta

from benchmarks.merchant_days import execute, working

PERSONS_EACH = 2
PERSON_DAYS = 3  # a person's total changes every so many days

# Every provider has its own daily mean of each measure; rows lie provider by provider, as a rebuild writes them.
_DAYS = """
INSERT INTO {table} (day, provider_id, {columns})
SELECT %(first)s::date + number, id, {values}
FROM (SELECT id, {means} FROM providers_provider WHERE id > %(after)s) AS provider,
  generate_series(0, {days} - 1) AS number
"""
_STATES = """
INSERT INTO provider_stock (day, provider_id, {columns})
SELECT day, id, {values} FROM providers_provider, unnest(%(days)s::date[]) AS day WHERE id > %(after)s
"""
_PERSONS = """
INSERT INTO provider_person_cum (day, provider_id, person, room_gmv_settled)
SELECT %(first)s::date + number, id, id || '-' || person, number * (1000 + hashint8(id * 7 + person) & 1023)
FROM providers_provider, generate_series(1, %(persons)s) AS person, generate_series(0, %(last)s, %(step)s) AS number
WHERE id > %(after)s
"""


def register(providers: int, since: date) -> int:
    """Register so many more approved providers; return the id they all lie beyond."""
    from providers.choices import ProviderCategory

    after = int(execute("SELECT coalesce(max(id), 0) FROM providers_provider"))
    working(range(after, after + providers), since, ProviderCategory.values)
    execute("ANALYZE providers_provider")
    return after


def write_totals(after: int, first: date, days: int) -> None:
    """Write running totals of every flow from the day on, for providers with larger ids."""
    _write("provider_cum", "(number + 1)::bigint * mean_{n} + number %% 7", after, first, days)


def write_days(table: str, after: int, first: date, days: int) -> None:
    """Write the days these totals are of."""
    _write(table, "mean_{n} + (number %% 7 - greatest(number - 1, 0) %% 7)::bigint", after, first, days)


def _write(table: str, value: str, after: int, first: date, days: int) -> None:
    from providers.measures import catalogue

    codes = [measure.code for measure in catalogue().flows()]
    execute(
        _DAYS.format(
            table=table,
            columns=", ".join(codes),
            means=", ".join(f"10 + hashint8(id * 100 + {n}) & 1023 AS mean_{n}" for n, _ in enumerate(codes)),
            values=", ".join(value.format(n=n) for n, _ in enumerate(codes)),
            days=days,
        ),
        {"first": first, "after": after},
    )
    execute(f"VACUUM ANALYZE {table}")


def write_states(after: int, as_of: date) -> None:
    """Write delivered states of the last days before, a month earlier too."""
    from providers.measures import catalogue
    from scoring.steps.windows import cycle_before

    codes = [measure.code for measure in catalogue().stocks() if not measure.derived]
    ends = (as_of, cycle_before(as_of))
    execute(
        _STATES.format(
            columns=", ".join(codes),
            values=", ".join(f"10 + hashint8(id * 100 + {n}) & 1023" for n, _ in enumerate(codes)),
        ),
        {"after": after, "days": [end - timedelta(days=number) for end in ends for number in range(1, 8)]},
    )
    execute("VACUUM ANALYZE provider_stock")


def write_persons(after: int, first: date, days: int) -> None:
    """Write running totals of two persons a provider."""
    execute(
        _PERSONS,
        {"first": first, "after": after, "persons": PERSONS_EACH, "last": days - 1, "step": PERSON_DAYS},
    )
    execute("VACUUM ANALYZE provider_person_cum")
