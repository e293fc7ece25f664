"""Every address × method × role, asked: the declared outcome, no word of others, and no write where refused."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.http.response import HttpResponseBase
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from ecosystem.clock import business_today
from ecosystem.models import User
from ecosystem.roles import Role
from providers.models import Batch, Conflict, Evidence, Invitation, Membership, Merchant, Qualification
from providers.models.members import MemberRole
from scoring.models import Consultation, Contest, Grant, Plan, RubricVersion, Run, Scenario, Score
from tests import factories
from tests.scoring import rows
from tests.web import matrix
from tests.web.sign_in import sign_in
from tests.web.world import World, world

pytestmark = pytest.mark.django_db

# What a request may write however it ends: the session, counters of the limiters, a token's last use.
BESIDE_THE_POINT = {"django_session", "portal_cache", "ecosystem_apitoken"}
_WRITE = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM|TRUNCATE)\s+(?:ONLY\s+)?"?(\w+)', re.IGNORECASE)


def addresses() -> dict[str, str]:
    """Return every address of the portal: name (its route where it has none) → route; steps one by one."""
    found: dict[str, str] = {}

    def walk(patterns: Sequence[URLPattern | URLResolver], before: str, space: str) -> None:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, route, space + (f"{pattern.namespace}:" if pattern.namespace else ""))
                continue
            name = space + pattern.name if pattern.name else route.replace("^", "")
            # What an earlier route of the same address answers is never reached under this name.
            shadowed = route in found.values()
            if not shadowed:
                for expanded in _expanded(name):
                    found[expanded] = route

    walk(get_resolver().url_patterns, "", "")
    return found


def _expanded(name: str) -> list[str]:
    """Return one name per step for the addresses of steps."""
    for model, table in admin.site._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        for kind, steps in (("step", "row_steps"), ("list_step", "list_steps")):
            if name == f"admin:{label}_{kind}":
                return [f"{name}[{step.name}]" for step in getattr(table, steps, ())] or [f"{name}[]"]
    return [name]


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Make the world once; it is gone when the module ends."""
    with django_db_blocker.unblock():
        whole = transaction.atomic()
        whole._from_testcase = True  # steps that insist on being outermost may run inside
        # Quick hashes: many cells send a password.
        with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]), whole:
            made = world()
            User.objects.update(password=make_password(factories.PASSWORD))
            EmailAddress.objects.bulk_create(
                EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in User.objects.all()
            )
            for holder in (made.ours.people, made.theirs.people, made.staff):
                for user in holder.values():
                    user.refresh_from_db()
            logging.disable(logging.CRITICAL)  # thousands of refusals are meant
            yield made
            logging.disable(logging.NOTSET)
            transaction.set_rollback(True)


class Writes:
    """The tables that statements wrote to."""

    def __init__(self) -> None:
        self.tables: set[str] = set()

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if found := _WRITE.match(sql if isinstance(sql, str) else sql.as_string()):
            self.tables.add(found.group(1))
        return execute(sql, params, many, context)


@contextmanager
def undone() -> Iterator[Writes]:
    """Note what is written, and take it back."""
    point = transaction.savepoint_create()
    writes = Writes()
    try:
        with connection.execute_wrapper(writes):
            yield writes
    finally:
        connection.needs_rollback = False
        transaction.savepoint_rollback(point)


def client_of(made: World, role: str) -> Client:
    """Return a client that is signed in as a role."""
    if role == "visitor":
        return Client()
    if role == "machine":
        return Client(headers={"Authorization": f"Bearer {made.token}"})
    if role == "other":
        return sign_in(Client(), made.theirs.people[MemberRole.OWNER])
    if role in MemberRole.values:
        return sign_in(Client(), made.ours.people[MemberRole(role)])
    return sign_in(Client(), made.staff[Role(role)])


def path_of(made: World, name: str, route: str) -> str:
    """Return the address with the first tenant's rows in it."""
    ours, bare = made.ours, name.partition("[")[0]
    if bare.startswith("admin:") and (found := re.match(r"admin:(\w+?)_(\w+?)_(\w+)$", bare)):
        model = next((m for m in admin.site._registry if m._meta.label_lower == f"{found[1]}.{found[2]}"), None)
        if model is not None:
            given: dict[str, object] = {}
            if "object_id" in route:
                given["object_id"] = made.row(model).pk
            if "<slug:name>" in route:
                given["name"] = name.partition("[")[2].rstrip("]") or "nothing"
            return reverse(bare, kwargs=given)
    if name.startswith("admin/") and "<path:object_id>" in route:
        model = next(m for m in admin.site._registry if f"/{m._meta.label_lower.replace('.', '/')}/" in route)
        return "/" + route.replace("<path:object_id>", str(made.row(model).pk))
    values: dict[str, object] = {
        "notice_id": next(n.pk for kind, n in ours.rows.items() if kind.__name__ == "Notice"),
        "provider_id": ours.provider.pk,
        "membership_id": ours.rows[Membership].pk,
        "invitation_id": ours.rows[Invitation].pk,
        "document_id": ours.rows[Qualification].pk,
        "binding_id": next(n.pk for kind, n in ours.rows.items() if kind.__name__ == "Binding"),
        "conflict_id": ours.rows[Conflict].pk,
        "evidence_id": ours.rows[Evidence].pk,
        "score_id": ours.rows[Score].pk,
        "consultation_id": made.rows[Consultation].pk,
        "indicator": "S1",
        "section": "company",
        "feed": "sales",
        "token": ours.binding_token if name == "providers:binding-confirm" else ours.invitation_token,
        "uidb36": "1",
        "key": "set-password",
        "app_label": "providers",
        "content_type_id": "1",
        "object_id": "1",
        "version": made.rows[RubricVersion].version,
        "url": "nothing/here/",
    }
    by_name: dict[str, dict[str, object]] = {
        "api-provider": {"code": ours.provider.code},
        "api-merchant": {"code": ours.merchant.code},
        "api-streamer": {"code": ours.streamer.code},
        "api-binding": {"pk": values["binding_id"]},
        "api-conflict": {"pk": ours.rows[Conflict].pk},
        "api-batch": {"pk": made.rows[Batch].pk},
        "api-scenario": {"pk": made.rows[Scenario].pk},
        "api-consultation": {"pk": made.rows[Consultation].pk},
        "api-run": {"pk": made.rows[Run].pk},
        "api-score": {"pk": values["score_id"]},
        "api-contest": {"pk": ours.rows[Contest].pk},
        "api-plan": {"code": made.rows[Plan].code},
        "api-grant": {"pk": ours.rows[Grant].pk},
    }
    values |= by_name.get("-".join(name.split("-")[:2]), {})
    wanted = set(re.findall(r"<(?:\w+:)?(\w+)>", route))
    if name == "admin/(?P<url>.*)$":
        return "/admin/nothing/here/"
    if name == "api-nothing":
        return "/api/v1/nothing/here/"
    if name in route or name in ("admin/login/", "accounts/2fa/totp/activate/"):
        return f"/{route}"
    return reverse(name, kwargs={key: values[key] for key in wanted})


def body_of(made: World, name: str) -> dict[str, object]:
    """Return what a POST sends: enough to take the step where the role may."""
    later = (business_today() + timedelta(days=9)).isoformat()
    claimant = made.ours.rows[Conflict].claimant
    bodies: dict[str, dict[str, object]] = {
        "api-binding-list": {
            "provider": made.ours.provider.code,
            "merchant": made.ours.merchant.code,
            "role": "training",
            "starts_on": "2022-07-01",
        },
        "api-binding-end": {"ends_before": later},
        "api-binding-shares": {"provider": claimant.code, "share_bp": 4000, "starts_on": later},
        "api-conflict-list": {
            "provider": made.ours.provider.code,
            "merchant": made.rows[Merchant].code,
            "role": "operation",
            "starts_on": "2022-07-01",
            "text": "ours by contract",
        },
        "api-conflict-evidence": {"provider": made.ours.provider.code, "text": "renewed by both"},
        "api-conflict-decide": {"outcome": "dismissed", "reason": "renewed by both"},
        "providers:conflict": {"text": "renewed by both"},
        "api-consultation-list": {
            "version": made.rows[Consultation].rubric_version.version,
            "note": "weights",
            "starts_on": business_today().isoformat(),
            "ends_before": later,
        },
        "api-consultation-comments": {"provider": made.ours.provider.code, "text": "look again"},
        "api-rubric-list": {"text": rows.SMALL_RUBRIC.format(version="3", live=2)},
        "api-rubric-validate": {"text": rows.SMALL_RUBRIC.format(version="3", live=2)},
        "api-what-if": {"edits": {"weight-LIVE": "2"}},
        "api-scenario-list": {"name": "matrix", "edits": {"weight-LIVE": "2"}},
        "api-score-contest": {"text": "look again"},
        "api-score-what-if": {"values": {"L1": "70"}},
        "scoring:contest": {"text": "look again"},
        "providers:binding": {"end": "1", "end-ends_before": later},
        "providers:binding-confirm": {"confirm": "1"},
        "providers:people": {"email": "new@example.com", "role": "analyst"},
    }
    return bodies.get(name, {})


def ask(client: Client, made: World, name: str, path: str, method: str) -> HttpResponseBase:
    """Send one request."""
    query = {"provider": made.ours.provider.code} if name.startswith("scoring:") else {}
    if name in ("api-ingest", "api-ingest-check"):
        csv = b"day,merchant,paid_orders\n"
        return client.generic(method, f"{path}?key=matrix", csv, content_type="text/csv")
    if method == "POST":
        body = body_of(made, name)
        kind: dict[str, Any] = {"content_type": "application/json"} if name.startswith("api-") else {}
        return client.post(path, body, query_params=query, **kind)
    return client.generic(method, path, query_params=query)


def outcome_of(response: HttpResponseBase, name: str) -> str:
    """Name what happened."""
    code = response.status_code
    if code == 401:
        return "sign-in"
    if code in (301, 302, 303):
        signs_in = ("/accounts/login/", "/admin/login/", "/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/")
        return "sign-in" if response["Location"].startswith(signs_in) else "ok"
    named = {403: "denied", 404: "hidden", 405: "no-method", 400: "invalid", 409: "invalid", 422: "invalid"}
    if code in named:
        return named[code]
    return "ok" if code < 300 or (name == "healthz" and code == 503) else str(code)


def foreign_words(made: World, role: str, name: str) -> tuple[str, ...]:
    """Return the words that must not be on the page."""
    if name in matrix.SECRET_LINKS:
        return () if role in ("other", *matrix.STAFF) else (made.theirs.word,)
    if role == "other":
        return (made.ours.word,)
    if role == "visitor" or (role == "machine" and not name.startswith("api-")):
        return (made.ours.word, made.theirs.word)
    return (made.theirs.word,) if role in (*matrix.MEMBERS, "category_region") else ()


def text_of(response: HttpResponseBase) -> bytes:
    """Return the whole answer."""
    return b"".join(response) if response.streaming else getattr(response, "content", b"")


def test_the_declaration_names_every_address_and_no_other() -> None:
    found, told = set(addresses()), set(matrix.declared())
    assert not found - told, f"undeclared: {sorted(found - told)}"
    assert not told - found, f"declared, but there is no such address: {sorted(told - found)}"


def test_every_cell_is_declared() -> None:
    silent = [
        f"{method} {name} as {role}"
        for name, rules in matrix.declared().items()
        for method in matrix.METHODS
        for role in matrix.ROLES
        if method not in rules or matrix.outcome(rules[method], role) is None
    ]
    assert not silent


def test_every_word_of_a_rule_is_a_role_or_group() -> None:
    known = {*matrix.ROLES, *matrix.GROUPS, "*"}
    rules = {rule for rules in matrix.declared().values() for rule in rules.values()}
    assert not {word for rule in rules for part in rule.split("|") for word in part.split()[1:]} - known


@pytest.mark.parametrize("role", matrix.ROLES)
def test_every_address_and_method_answers_as_declared(made: World, role: str) -> None:
    client, declared, faults = client_of(made, role), matrix.declared(), []
    cookies = copy.deepcopy(client.cookies)
    for name, route in addresses().items():
        path = path_of(made, name, route)
        for method in matrix.METHODS:
            expected = matrix.outcome(declared.get(name, {}).get(method, ""), role) if name in declared else None
            with undone() as writes:
                try:
                    response = ask(client, made, name, path, method)
                    found, text = outcome_of(response, name), text_of(response)
                except Exception as error:  # a crash is a finding like any other: say where, and go on
                    found, text = f"{type(error).__name__}: {error}"[:200], b""
            if client.cookies != cookies:
                client.cookies = copy.deepcopy(cookies)
            cell = f"{method} {name} ({path}) as {role}"
            if not (found == expected or (found == "invalid" and expected == "ok")):
                faults.append(f"{cell}: {found}, declared {expected}")
            if (method == "GET" or expected != "ok") and (written := writes.tables - BESIDE_THE_POINT):
                faults.append(f"{cell}: wrote {sorted(written)}")
            # The address itself names our provider where staff choose one; what the page echoes of it tells nothing.
            text = text.replace(made.ours.provider.code.encode(), b"")
            faults += [f"{cell}: shows {word}" for word in foreign_words(made, role, name) if word.encode() in text]
    assert not faults, f"{len(faults)} cells:\n" + "\n".join(faults)
