"""The staff's tables of what happened, by verb."""

from providers.admin import bind, compliance, conflicts, ingest, register

__all__ = ["bind", "compliance", "conflicts", "ingest", "register"]
