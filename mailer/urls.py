"""The mailer's pages and the files of its certificate authority."""

from django.urls import URLPattern, URLResolver, path

from mailer.views import pki

urlpatterns: list[URLPattern | URLResolver] = [
    path("pki/<slug:slug>.crt", pki.issuer_certificate, name="pki-issuer"),
    path("pki/<slug:slug>/<int:shard>.crl", pki.revocation_list, name="pki-revocation-list"),
]
