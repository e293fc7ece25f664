"""Refusals about providers, people, documents and bindings."""

from __future__ import annotations

from dataclasses import dataclass

from ecosystem.errors import DomainError, InvalidInput


class ApplicationIncomplete(InvalidInput):
    """Something a reviewer needs is missing; ``detail["missing"]`` lists it."""

    code = "application_incomplete"


class SilentPeriod(DomainError):
    """The company was turned down twice and may apply again only after its silent period."""

    code = "silent_period"


class CompanyKnown(DomainError):
    """A living provider already has this credit code."""

    code = "company_known"


class LastOwner(DomainError):
    """Every provider needs somebody who answers for it."""

    code = "last_owner"


class FileRefused(InvalidInput):
    """The upload is not a document the portal keeps."""

    code = "file_refused"


class LinkUnusable(DomainError):
    """The signed link was cut, has expired, or what it asked is already answered."""

    code = "link_unusable"
    status = 410


class PeriodTaken(DomainError):
    """Another binding of the same role holds some of these days."""

    code = "period_taken"


class CoolingDown(DomainError):
    """A transfer or a sister company must wait."""

    code = "cooling_down"


@dataclass(frozen=True, slots=True)
class RowFault:
    """One fault of a delivered row: the line of the file, its column, what was found, why it cannot count."""

    row: int
    column: str
    found: str
    reason: str
