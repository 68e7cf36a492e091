"""The mailer's pages and the files of its certificate authority."""

from django.urls import URLPattern, URLResolver, path

from mailer.views import inviting, pki, proving

urlpatterns: list[URLPattern | URLResolver] = [
    path("publications/<slug:secret>/", proving.publication, name="publication"),
    path("invitations/<slug:secret>/", inviting.invitation, name="invitation"),
    path("invitations/<slug:secret>/never/", inviting.never, name="invitation-never"),
    path("pki/<slug:slug>.crt", pki.issuer_certificate, name="pki-issuer"),
    path("pki/<slug:slug>/<int:shard>.crl", pki.revocation_list, name="pki-revocation-list"),
]
