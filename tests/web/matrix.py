"""Who may do what, declared: every address × method × role has one outcome here, and tests/web/test_matrix.py asks.

A rule reads ``outcome who who | outcome who | outcome *``: the first part that names the role holds, ``*`` is the
rest. Outcomes: ``ok`` (answered on its merits, refusals by a rule of the domain included), ``invalid`` (400, 409, 422),
``sign-in`` (401, or led to where one signs in), ``denied`` (403), ``hidden`` (404), ``no-method`` (405).
Rows in the addresses are those of the first tenant: for ``other``, the owner of the second one, they must be hidden.
"""

from __future__ import annotations

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
STAFF = (
    "recruiting",
    "review",
    "rating",
    "incentives",
    "governance",
    "category_region",
    "finance",
    "investment",
    "auditor",
    "administrator",
)
MEMBERS = ("owner", "analyst", "operator", "other")
ROLES = ("visitor", *MEMBERS, *STAFF, "machine")

# Words a rule may use for several roles. A machine has a token and no session: on pages it is a visitor.
GROUPS: dict[str, tuple[str, ...]] = {
    "outside": ("visitor", "machine"),
    "outsiders": ("visitor", "machine", *MEMBERS),
    "members": MEMBERS,
    "staff": STAFF,
    "money": ("incentives", "finance", "investment", "auditor", "administrator"),
    "audit": ("auditor", "administrator"),
    "work": ("auditor", "administrator", "rating"),
    "batches": ("rating", "auditor", "administrator"),
    "binders": ("owner", "operator", "recruiting", "category_region"),
}

ALL = "ok *"
NEVER = "no-method *"
WORKPLACE = "sign-in outsiders | ok *"
WORKPLACE_NEVER = "sign-in outsiders | no-method *"
# A second factor is for who signed in just now; in the test's world that is the staff.
FRESH = "sign-in outside members | ok *"
# Nobody in the test's world has enrolled a second factor: there is none to show or to remove.
NOT_ENROLLED = "sign-in outside | hidden *"
SIGNED_IN = "sign-in outside | ok *"
SIGNED_IN_NEVER = "sign-in outside | no-method *"
ANONYMOUS_ONLY = "ok *"  # who is signed in is led home
MEMBER = "sign-in outside | ok members | denied *"
MEMBER_NEVER = "sign-in outside | no-method members | denied *"
OWNERS = "sign-in outside | ok owner other | denied *"
# Scores and figures: a member's own, or the provider that staff name; not for operators.
NUMBERS = "sign-in outside | denied operator | ok *"
OUR_SCORE = "sign-in outside | hidden operator other | ok *"

# Address name → (GET, POST). No page answers PUT, PATCH and DELETE.
PAGES: dict[str, tuple[str, str]] = {
    "home": (ALL, NEVER),
    "healthz": (ALL, NEVER),
    "set-language": (NEVER, ALL),
    "notices": (SIGNED_IN, SIGNED_IN_NEVER),
    "read-notices": (SIGNED_IN_NEVER, SIGNED_IN),
    "open-notice": (SIGNED_IN_NEVER, "sign-in outside | ok owner | hidden *"),
    # accounts
    "account_login": (ANONYMOUS_ONLY, ANONYMOUS_ONLY),
    "account_logout": (ALL, ALL),
    "account_inactive": (ALL, NEVER),
    "account_signup": (ANONYMOUS_ONLY, ANONYMOUS_ONLY),
    "account_reauthenticate": (SIGNED_IN, SIGNED_IN),
    "account_email": (SIGNED_IN, SIGNED_IN),
    "account_email_verification_sent": (SIGNED_IN, SIGNED_IN),
    "account_change_password": (SIGNED_IN, SIGNED_IN),
    "account_set_password": (SIGNED_IN, SIGNED_IN),
    "account_reset_password": (ALL, ALL),
    "account_confirm_login_code": (SIGNED_IN, SIGNED_IN),
    "account_reset_password_from_key": (ALL, ALL),
    "account_reset_password_from_key_done": (ALL, NEVER),
    "account_reset_password_done": (ALL, NEVER),
    "accounts/2fa/totp/activate/": (FRESH, FRESH),
    "mfa_index": (SIGNED_IN, SIGNED_IN_NEVER),
    "mfa_authenticate": (SIGNED_IN, SIGNED_IN),
    "mfa_reauthenticate": ("sign-in *", "sign-in *"),
    "mfa_deactivate_totp": (NOT_ENROLLED, NOT_ENROLLED),
    "mfa_view_recovery_codes": (NOT_ENROLLED, SIGNED_IN_NEVER),
    "mfa_generate_recovery_codes": (FRESH, FRESH),
    "mfa_download_recovery_codes": (NOT_ENROLLED, NOT_ENROLLED),
    # providers
    "providers:home": (SIGNED_IN, NEVER),
    "providers:switch": (NEVER, "sign-in outside | ok owner analyst operator | hidden *"),
    "providers:apply": (MEMBER, MEMBER),
    "providers:application": (MEMBER, NEVER),
    "providers:application-submit": (NEVER, OWNERS),
    "providers:application-withdraw": (OWNERS, OWNERS),
    "providers:application-section": (OWNERS, OWNERS),
    "providers:people": (MEMBER, OWNERS),
    "providers:people-csv": (MEMBER, NEVER),
    # The membership is the analyst's: whoever leaves may do so alone.
    "providers:member-remove": (NEVER, "sign-in outside | ok owner analyst | hidden other | denied *"),
    "providers:invitation-revoke": (NEVER, "sign-in outside | ok owner | hidden other | denied *"),
    "providers:invitation": (ALL, "denied *"),
    "providers:document-new": (OWNERS, OWNERS),
    "providers:documents-csv": (MEMBER, NEVER),
    "providers:document": ("sign-in outside | hidden other | ok *", NEVER),
    "providers:document-remove": (NEVER, "sign-in outside | ok owner | hidden other | denied *"),
    "providers:bindings": (MEMBER, NEVER),
    "providers:bindings-csv": (MEMBER, NEVER),
    "providers:binding-new": (
        "sign-in outside | ok owner operator other | denied *",
        "sign-in outside | ok owner operator other | denied *",
    ),
    "providers:binding": (
        "sign-in outside | hidden other | ok *",
        "sign-in outside | hidden other | ok binders | denied *",
    ),
    "providers:binding-confirm": (ALL, ALL),
    "providers:order": (SIGNED_IN, NEVER),
    "providers:conflicts": (MEMBER, NEVER),
    "providers:conflict-new": (
        "sign-in outside | ok owner operator other | denied *",
        "sign-in outside | invalid owner operator other | denied *",
    ),
    "providers:conflict": (
        "sign-in outside | hidden other | ok *",
        "sign-in outside | hidden other | ok owner operator | denied *",
    ),
    # Our side's paper: beside us only the arbiter opens it.
    "providers:evidence": ("sign-in outside | ok owner operator governance | hidden *", NEVER),
    # scoring
    "scoring:score": (NUMBERS, NEVER),
    "scoring:score-csv": (NUMBERS, NEVER),
    "scoring:history": (NUMBERS, NEVER),
    "scoring:history-csv": (NUMBERS, NEVER),
    "scoring:change": (NUMBERS, NEVER),
    "scoring:replay": (NUMBERS, NEVER),
    "scoring:gmv": (NUMBERS, NEVER),
    "scoring:indicator": (OUR_SCORE, NEVER),
    "scoring:what-if": (OUR_SCORE, NEVER),
    "scoring:facts-csv": (OUR_SCORE, NEVER),
    "scoring:contest": (
        "sign-in outside | hidden operator other | ok members | denied *",
        "sign-in outside | hidden operator other | ok members | denied *",
    ),
    "scoring:contests": (NUMBERS, NEVER),
    "scoring:consultation": (NUMBERS, NEVER),
    "scoring:consultation-comment": (
        "sign-in outside | ok owner analyst other | denied *",
        "sign-in outside | ok owner analyst other | denied *",
    ),
    "scoring:plan": (NUMBERS, NEVER),
    "scoring:grants-csv": (NUMBERS, NEVER),
    "scoring:figures": (NUMBERS, NEVER),
    "scoring:figures-csv": (NUMBERS, NEVER),
    "scoring:leaderboard": ("sign-in outside | denied members | ok *", NEVER),
    "scoring:leaderboard-csv": ("sign-in outside | denied members | ok *", NEVER),
    # the staff's workplace, beside its tables
    "admin/login/": ("denied members | sign-in *", NEVER),
    "admin/password_change/": (ALL, ALL),
    "admin:index": (WORKPLACE, WORKPLACE),
    "admin:search": (WORKPLACE, WORKPLACE),
    "admin:scoring_scenario_what_if": (WORKPLACE, WORKPLACE),
    "admin:scoring_scenario_shadow_csv": (WORKPLACE, WORKPLACE_NEVER),
    "admin:scoring_rubricversion_yaml": (WORKPLACE, WORKPLACE_NEVER),
    "admin:logout": ("no-method staff | ok *", ALL),
    "admin:password_change_done": (WORKPLACE, WORKPLACE_NEVER),
    "admin:autocomplete": ("sign-in outsiders | denied *", WORKPLACE_NEVER),
    "admin:jsi18n": (WORKPLACE, WORKPLACE_NEVER),
    "admin:view_on_site": ("sign-in outsiders | hidden *", "sign-in outsiders | hidden *"),
    "admin:app_list": (WORKPLACE, WORKPLACE),
    "admin/(?P<url>.*)$": ("sign-in outsiders | hidden *", "sign-in outsiders | hidden *"),
}

# The staff's tables: who may look. Rows come and go by steps alone.
TABLES: dict[str, str] = {
    "ecosystem_user": "administrator",
    "ecosystem_apitoken": "administrator",
    "ecosystem_auditentry": "audit",
    "ecosystem_workscope": "work",
    "ecosystem_workrun": "work",
    "ecosystem_outboxmessage": "administrator",
    "ecosystem_notice": "audit",
    "providers_provider": "staff",
    "providers_qualification": "staff",
    "providers_membership": "staff",
    "providers_invitation": "staff",
    "providers_binding": "staff",
    "providers_conflict": "staff",
    "providers_merchant": "staff",
    "providers_streamer": "staff",
    "providers_belt": "staff",
    "providers_base": "staff",
    "providers_operatorcertificate": "staff",
    "providers_operatedsession": "staff",
    "providers_violation": "staff",
    "providers_batch": "batches",
    "scoring_rubricversion": "staff",
    "scoring_consultation": "staff",
    "scoring_comment": "staff",
    "scoring_scenario": "staff",
    "scoring_run": "staff",
    "scoring_score": "staff",
    "scoring_publication": "staff",
    "scoring_plan": "staff",
    "scoring_standing": "staff",
    "scoring_progress": "staff",
    "scoring_budgetpool": "money",
    "scoring_grant": "money",
    "scoring_entry": "money",
    "scoring_contest": "staff",
    "scoring_benchmark": "staff",
}
# The steps a table offers on a row (``table/step``) or above the list (``table//step``): who may take them.
STEPS: dict[str, str] = {
    "ecosystem_user//open": "administrator",
    "ecosystem_user/change": "administrator",
    "ecosystem_user/token": "administrator",
    "ecosystem_apitoken/revoke": "administrator",
    "ecosystem_workscope/retry": "administrator",
    "providers_provider//invite": "recruiting administrator",
    "providers_provider/take-up": "review",
    "providers_provider/accept-documents": "review",
    "providers_provider/approve": "review",
    "providers_provider/return": "review",
    "providers_provider/reject": "review",
    "providers_provider/member": "recruiting administrator",
    "providers_provider/violation": "governance",
    "providers_provider/suspend": "governance",
    "providers_provider/resume": "governance",
    "providers_provider/expel": "governance",
    "providers_qualification/decide": "review",
    "providers_invitation/revoke": "recruiting administrator",
    "providers_binding/end": "recruiting category_region",
    "providers_binding/withdraw": "recruiting category_region",
    "providers_conflict/decide": "governance",
    "providers_violation/decide": "governance",
    "providers_violation/close": "governance",
    "providers_violation/annul": "governance",
    "providers_batch/undo": "administrator",
    "scoring_rubricversion//import": "rating",
    "scoring_rubricversion/validate": "rating",
    "scoring_rubricversion/consult": "rating",
    "scoring_rubricversion/publish": "rating",
    "scoring_rubricversion/retire": "rating",
    "scoring_consultation/close": "rating",
    "scoring_run//open": "rating",
    "scoring_run/freeze": "rating",
    "scoring_run/review": "rating",
    "scoring_run/publish": "rating",
    "scoring_run/correct": "rating",
    "scoring_budgetpool/propose": "incentives",
    "scoring_budgetpool/endow": "finance",
    "scoring_grant/approve": "finance",
    "scoring_grant/refuse": "finance",
    "scoring_grant/settle": "finance",
    "scoring_grant/expire": "finance",
    "scoring_grant/claw-back": "finance",
    "scoring_contest/answer": "rating",
    "scoring_contest/rerun": "rating",
}

READ = "sign-in visitor | ok *"
READ_NEVER = "sign-in visitor | no-method *"
RATING = "sign-in visitor | ok rating | denied *"
OURS = "sign-in visitor | hidden other | ok *"
SHARE_ANSWER = "sign-in visitor | hidden other | invalid owner operator | denied *"
OUR_NUMBERS = "sign-in visitor | hidden other operator | ok *"
SEE_BATCHES = "sign-in visitor | ok machine batches | denied *"
SEE_BATCHES_NEVER = "sign-in visitor | no-method machine batches | denied *"
DELIVER = "sign-in visitor | ok machine administrator | denied *"
DELIVER_NEVER = "sign-in visitor | no-method machine administrator | denied *"

# What-ifs are for staff; views that ask who may use them before they ask how refuse others first.
TRY = "sign-in visitor | ok staff | denied *"
TRY_NEVER = "sign-in visitor | no-method staff | denied *"

# Address name → (GET, POST, PUT/PATCH/DELETE).
REST: dict[str, tuple[str, str, str]] = {
    "api-nothing": ("hidden *", "hidden *", "hidden *"),
    "api-me": (READ, READ_NEVER, READ_NEVER),
    # For monitors: a token signs in, a session does not.
    "api-healthz-work": ("ok machine | sign-in *", "no-method machine | sign-in *", NEVER),
    "api-schema": (ALL, NEVER, NEVER),
    "api-docs": (ALL, NEVER, NEVER),
    "api-feeds": (SEE_BATCHES, SEE_BATCHES_NEVER, SEE_BATCHES_NEVER),
    "api-ingest": (DELIVER_NEVER, DELIVER, DELIVER_NEVER),
    "api-ingest-check": (DELIVER_NEVER, DELIVER, DELIVER_NEVER),
    "api-provider-list": (READ, READ_NEVER, READ_NEVER),
    "api-provider-detail": (OURS, READ_NEVER, READ_NEVER),
    "api-merchant-list": (READ, READ_NEVER, READ_NEVER),
    "api-merchant-detail": (OURS, READ_NEVER, READ_NEVER),
    "api-streamer-list": (READ, READ_NEVER, READ_NEVER),
    "api-streamer-detail": (OURS, READ_NEVER, READ_NEVER),
    "api-binding-list": (READ, "sign-in visitor | invalid other | ok binders | denied *", READ_NEVER),
    "api-binding-detail": (OURS, READ_NEVER, READ_NEVER),
    "api-binding-end": (READ_NEVER, "sign-in visitor | hidden other | ok binders | denied *", READ_NEVER),
    "api-binding-shares": (READ_NEVER, "sign-in visitor | hidden other | ok binders | denied *", READ_NEVER),
    # The binding of the matrix is no share: whoever may answer for its provider is told so.
    "api-binding-accept": (READ_NEVER, SHARE_ANSWER, READ_NEVER),
    "api-binding-decline": (READ_NEVER, SHARE_ANSWER, READ_NEVER),
    "api-conflict-list": (READ, "sign-in visitor | invalid other | ok owner operator | denied *", READ_NEVER),
    "api-conflict-detail": (OURS, READ_NEVER, READ_NEVER),
    "api-conflict-evidence": (READ_NEVER, "sign-in visitor | hidden other | ok owner operator | denied *", READ_NEVER),
    # Our side's paper: beside us only the arbiter opens it.
    "api-conflict-paper": ("sign-in visitor | ok owner operator governance | hidden *", READ_NEVER, READ_NEVER),
    "api-conflict-decide": (READ_NEVER, "sign-in visitor | hidden other | ok governance | denied *", READ_NEVER),
    # The claim is another provider's: nobody here may take it back.
    "api-conflict-withdraw": (READ_NEVER, "sign-in visitor | hidden other | denied *", READ_NEVER),
    "api-attribution": ("sign-in visitor | invalid *", READ_NEVER, READ_NEVER),
    "api-batch-list": (SEE_BATCHES, SEE_BATCHES_NEVER, SEE_BATCHES_NEVER),
    "api-batch-detail": (SEE_BATCHES, SEE_BATCHES_NEVER, SEE_BATCHES_NEVER),
    "api-batch-errors": (SEE_BATCHES, SEE_BATCHES_NEVER, SEE_BATCHES_NEVER),
    "api-batch-errors-csv": (SEE_BATCHES, SEE_BATCHES_NEVER, SEE_BATCHES_NEVER),
    "api-batch-undo": (SEE_BATCHES_NEVER, "sign-in visitor | ok administrator | denied *", SEE_BATCHES_NEVER),
    "api-rubric-list": (READ, RATING, READ_NEVER),
    "api-rubric-validate": (READ_NEVER, TRY, READ_NEVER),
    "api-rubric-vouch": (READ_NEVER, RATING, READ_NEVER),
    "api-rubric-publish": (READ_NEVER, RATING, READ_NEVER),
    "api-rubric-retire": (READ_NEVER, RATING, READ_NEVER),
    "api-rubric-yaml": (READ, READ_NEVER, READ_NEVER),
    "api-rubric-diff": (READ, READ_NEVER, READ_NEVER),
    "api-what-if": (TRY_NEVER, TRY, TRY_NEVER),
    "api-scenario-list": (TRY, TRY, TRY_NEVER),
    "api-scenario-detail": (TRY, TRY_NEVER, TRY_NEVER),
    "api-scenario-impact": (TRY, TRY_NEVER, TRY_NEVER),
    "api-scenario-shadow": (TRY, TRY_NEVER, TRY_NEVER),
    "api-consultation-list": (READ, RATING, READ_NEVER),
    "api-consultation-detail": (READ, READ_NEVER, READ_NEVER),
    "api-consultation-close": (READ_NEVER, RATING, READ_NEVER),
    "api-consultation-shadow": ("sign-in visitor | denied operator | ok *", READ_NEVER, READ_NEVER),
    "api-consultation-comments": (READ, "sign-in visitor | ok owner analyst | hidden other | denied *", READ_NEVER),
    "api-rubric-detail": (READ, READ_NEVER, READ_NEVER),
    "api-run-list": (READ, READ_NEVER, READ_NEVER),
    "api-run-detail": (READ, READ_NEVER, READ_NEVER),
    "api-score-list": (READ, READ_NEVER, READ_NEVER),
    "api-score-detail": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    "api-score-explanation": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    "api-score-what-if": (READ_NEVER, OUR_NUMBERS, READ_NEVER),
    "api-score-peers": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    # All scores of the test's world are of one day: there is no earlier one to compare with.
    "api-score-change": ("sign-in visitor | hidden other operator | invalid *", READ_NEVER, READ_NEVER),
    "api-score-facts": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    "api-score-replay": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    "api-gmv": ("sign-in visitor | invalid *", READ_NEVER, READ_NEVER),
    "api-score-contest": (
        READ_NEVER,
        "sign-in visitor | hidden other operator | ok owner analyst | denied *",
        READ_NEVER,
    ),
    "api-contest-list": (READ, READ_NEVER, READ_NEVER),
    "api-contest-detail": (OUR_NUMBERS, READ_NEVER, READ_NEVER),
    "api-plan-list": (READ, READ_NEVER, READ_NEVER),
    "api-plan-detail": (READ, READ_NEVER, READ_NEVER),
    "api-plan-progress": ("sign-in visitor | denied members | ok *", READ_NEVER, READ_NEVER),
    "api-plan-standings": (READ, READ_NEVER, READ_NEVER),
    "api-grant-list": (READ, READ_NEVER, READ_NEVER),
    "api-grant-detail": ("sign-in visitor | ok owner analyst money | hidden *", READ_NEVER, READ_NEVER),
}

# Pages behind a secret link: whoever holds it sees whom it is from.
SECRET_LINKS = ("providers:invitation", "providers:binding-confirm")


def declared() -> dict[str, dict[str, str]]:
    """Return every address name with its rule per method; a step's address carries the step (``name[step]``)."""
    cells: dict[str, dict[str, str]] = {}
    for name, (get, post) in PAGES.items():
        cells[name] = {"GET": get, "POST": post, "PUT": NEVER, "PATCH": NEVER, "DELETE": NEVER}
    for table, sight in TABLES.items():
        look = f"sign-in outsiders | ok {sight} | denied *"
        silent = {"PUT": NEVER, "PATCH": NEVER, "DELETE": NEVER}
        sends_nothing = "sign-in outsiders | no-method *"
        cells[f"admin:{table}_changelist"] = {"GET": look, "POST": sends_nothing} | silent
        cells[f"admin:{table}_export_csv"] = {"GET": look, "POST": sends_nothing} | silent
        cells[f"admin:{table}_change"] = {"GET": look, "POST": "sign-in outsiders | denied *"} | silent
        led_on = "sign-in outsiders | ok *"
        cells[f"admin/{'/'.join(table.split('_'))}/<path:object_id>/"] = {"GET": led_on, "POST": led_on} | silent
        for kind, between in (("step", "/"), ("list_step", "//")):
            steps = [name for name in STEPS if name.startswith(f"{table}{between}") and name.count("/") == len(between)]
            for step in steps:
                takes = f"sign-in outsiders | ok {STEPS[step]} | denied *"
                name = f"admin:{table}_{kind}[{step.rpartition('/')[2]}]"
                cells[name] = {"GET": takes, "POST": takes} | silent
            if not steps:
                nothing = "sign-in outsiders | hidden *"
                cells[f"admin:{table}_{kind}[]"] = {"GET": nothing, "POST": nothing} | silent
    cells["admin:providers_batch_errors"] = {
        "GET": "sign-in outsiders | ok batches | denied *",
        "POST": "sign-in outsiders | no-method *",
        "PUT": NEVER,
        "PATCH": NEVER,
        "DELETE": NEVER,
    }
    for name, (get, post, others) in REST.items():
        cells[name] = {"GET": get, "POST": post, "PUT": others, "PATCH": others, "DELETE": others}
    return cells


def outcome(rule: str, role: str) -> str | None:
    """Return what a rule says of a role; None when it says nothing."""
    for part in rule.split("|"):
        expected, *who = part.split()
        if "*" in who or role in who or any(role in GROUPS.get(word, ()) for word in who):
            return expected
    return None
