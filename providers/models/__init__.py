"""Tables of what happened: providers, people, documents, subjects, bindings, batches, facts."""

from providers.models.batches import Batch, DeliveredDay, RowError
from providers.models.bindings import Binding
from providers.models.compliance import Violation
from providers.models.conflicts import Conflict, Evidence
from providers.models.facts import FACTS, HISTORY, FactTable
from providers.models.members import Invitation, Membership
from providers.models.operators import OperatedSession, OperatorCertificate
from providers.models.places import Base, Belt
from providers.models.provider import Provider
from providers.models.qualifications import Qualification
from providers.models.subjects import Merchant, Streamer
from providers.models.versions import RegisterVersion

__all__ = [
    "FACTS",
    "HISTORY",
    "Base",
    "Batch",
    "Belt",
    "Binding",
    "Conflict",
    "DeliveredDay",
    "Evidence",
    "FactTable",
    "Invitation",
    "Membership",
    "Merchant",
    "OperatedSession",
    "OperatorCertificate",
    "Provider",
    "Qualification",
    "RegisterVersion",
    "RowError",
    "Streamer",
    "Violation",
]
