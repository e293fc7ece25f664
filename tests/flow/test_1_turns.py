"""Steps on the same bindings take turns: each holds the merchants and streamers first, so none waits in a circle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from ecosystem.clock import business_today
from ecosystem.roles import Role
from providers.models import Batch, Binding
from providers.steps import bind, register
from providers.steps.bind_import import BindingRow, import_bindings
from providers.steps.change_binding import hold_subjects
from tests import factories

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]
FIRST = date(2022, 6, 1)


def wait_for_a_lock() -> None:
    """Return once another connection waits for a lock."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("the other step waits for nothing")


def ended(binding: Binding) -> Callable[[], object]:
    staff = factories.user(Role.RECRUITING)
    return lambda: bind.end(binding.pk, ends_before=business_today() - timedelta(days=2), actor=staff)


def expelled(binding: Binding) -> Callable[[], object]:
    staff = factories.user(Role.GOVERNANCE)
    return lambda: register.expel(binding.provider_id, reason="演示", actor=staff)


@pytest.mark.parametrize("other", [ended, expelled])
def test_an_import_goes_through_while_another_step_waits_for_its_subjects(
    other: Callable[[Binding], Callable[[], object]],
) -> None:
    binding = factories.binding(starts_on=FIRST)
    batch: Batch = factories.batch("bindings")
    row = BindingRow(
        2, binding.provider_id, binding.merchant_id, None, "operation", FIRST, None, "合同", renewed_on=date(2022, 7, 1)
    )
    step = other(binding)
    faults: list[Exception] = []

    def run() -> None:
        try:
            step()
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        hold_subjects([binding.merchant_id], [])
        thread.start()
        wait_for_a_lock()
        # Were the binding held by now, the database would have to abort one of the two.
        assert import_bindings([row], batch=batch).changed == 1
    thread.join(timeout=20)
    assert faults == []
    binding.refresh_from_db()
    assert binding.renewed_on == date(2022, 7, 1)
    assert binding.period.upper is not None
