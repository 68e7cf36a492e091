"""Addresses of the look-up and of the API's description; mounted at /api/."""

from django.urls import path

from directory.api.description import DocumentView, documentation
from directory.api.lookups import certificates, lookups

urlpatterns = [
    path("v1/certificates", certificates, name="api-certificates"),
    path("v1/lookups", lookups, name="api-lookups"),
    path("v1/schema/", DocumentView.as_view(), name="api-schema"),
    path("docs/", documentation, name="api-docs"),
]
