"""Bells of the ground."""

from celery import shared_task

from ecosystem.steps.deliver import deliver


@shared_task(name="ecosystem.tasks.deliver_outbox", ignore_result=True)
def deliver_outbox() -> None:
    """Send what the outbox holds, for at most 20 seconds."""
    deliver(seconds=20)
