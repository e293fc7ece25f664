"""Addresses of the provider pages."""

from django.urls import URLPattern, path

from providers import home
from providers.views import application, attribution, bindings, conflicts, people

app_name = "providers"
urlpatterns: list[URLPattern] = [
    path("home/", home.home, name="home"),
    path("switch/<int:provider_id>/", home.switch, name="switch"),
    path("apply/", application.apply, name="apply"),
    path("application/", application.application, name="application"),
    path("application/submit/", application.submit, name="application-submit"),
    path("application/withdraw/", application.withdraw, name="application-withdraw"),
    path("application/<slug:section>/", application.section, name="application-section"),
    path("people/", people.people, name="people"),
    path("people/export/", people.people_csv, name="people-csv"),
    path("people/<int:membership_id>/remove/", people.remove_member, name="member-remove"),
    path("invitations/<int:invitation_id>/revoke/", people.revoke_invitation, name="invitation-revoke"),
    path("invitations/<str:token>/", people.invitation, name="invitation"),
    path("documents/new/", people.document_new, name="document-new"),
    path("documents/export/", people.documents_csv, name="documents-csv"),
    path("documents/<int:document_id>/", people.document, name="document"),
    path("documents/<int:document_id>/remove/", people.remove_document, name="document-remove"),
    path("bindings/", bindings.bindings, name="bindings"),
    path("bindings/export/", bindings.bindings_csv, name="bindings-csv"),
    path("bindings/new/", bindings.binding_new, name="binding-new"),
    path("bindings/<int:binding_id>/", bindings.binding, name="binding"),
    path("orders/", attribution.order, name="order"),
    path("conflicts/", conflicts.conflicts, name="conflicts"),
    path("conflicts/new/", conflicts.conflict_new, name="conflict-new"),
    path("conflicts/<int:conflict_id>/", conflicts.conflict, name="conflict"),
    path("conflicts/evidence/<int:evidence_id>/", conflicts.evidence, name="evidence"),
    path("bindings/confirm/<str:token>/", bindings.binding_confirm, name="binding-confirm"),
]
