"""What a row said before stands on its page, in words, and costs no more the longer its past is."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from psycopg.types.range import DateRange

from ecosystem.roles import Role
from providers.models import OperatorCertificate, Violation
from providers.steps import compliance
from providers.versions import earlier_versions
from tests import factories
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


def page(of: Violation | OperatorCertificate, client: Client) -> str:
    response = client.get(reverse(f"admin:providers_{of._meta.model_name}_change", args=[of.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_a_case_tells_what_it_was_before_it_was_decided_and_annulled() -> None:
    governance = factories.user(Role.GOVERNANCE, language="en")
    client = sign_in(Client(), governance)
    case = factories.violation(severity="grave")
    compliance.decide_violation(case.pk, severity="medium", actor=governance)
    compliance.annul_violation(case.pk, reason="误判（演示）", actor=governance)
    case.refresh_from_db()
    assert [(one.recorded, len(one.said)) for one in earlier_versions(case)] == [(True, 2), (True, 3), (False, 0)]
    text = page(case, client)
    for words in ("Earlier versions", "Status: decided", "Severity: grave", "Decided on: —", "Not recorded yet."):
        assert words in text
    Violation.objects.update(provider=factories.provider())
    with CaptureQueriesContext(connection) as few:
        page(case, client)
    for _n in range(30):
        Violation.objects.update(provider=factories.provider())
    with CaptureQueriesContext(connection) as many:
        page(case, client)
    assert len(many) == len(few)


def test_a_certificate_keeps_its_holder_to_itself() -> None:
    client = sign_in(Client(), factories.user(Role.GOVERNANCE, language="en"))
    held = OperatorCertificate.objects.create(
        provider=factories.provider(),
        number="C-1",
        person="secret-1",
        level="junior",
        period=DateRange(date(2022, 1, 1), date(2022, 7, 1)),
    )
    OperatorCertificate.objects.update(person="secret-2", level="senior", period=DateRange(date(2022, 2, 1), None))
    text = page(held, client)
    assert "Level: junior" in text
    assert "1 Jan 2022 – 30 Jun 2022" in text
    assert "secret-" not in text
