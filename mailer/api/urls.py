"""Addresses of messages and publications; mounted at /api/."""

from django.urls import path

from mailer.api.contributions import ContributionsView, ContributionView
from mailer.api.messages import CancelView, MessagesView, MessageView
from mailer.api.publications import PublicationProofView, PublicationsView, PublicationView

urlpatterns = [
    path("v1/messages", MessagesView.as_view(), name="api-messages"),
    path("v1/messages/<uuid:message_id>", MessageView.as_view(), name="api-message"),
    path("v1/messages/<uuid:message_id>/cancel", CancelView.as_view(), name="api-message-cancel"),
    path("v1/publications", PublicationsView.as_view(), name="api-publications"),
    path("v1/publications/<uuid:publication_id>", PublicationView.as_view(), name="api-publication"),
    path("v1/publications/<uuid:publication_id>/proof", PublicationProofView.as_view(), name="api-publication-proof"),
    path("v1/contributions", ContributionsView.as_view(), name="api-contributions"),
    path("v1/contributions/<uuid:contribution_id>", ContributionView.as_view(), name="api-contribution"),
]
