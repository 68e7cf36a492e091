"""The mailer's pages and the files of its certificate authority."""

from django.urls import URLPattern, URLResolver, path

from mailer.views import consent, inviting, pki, proving, replacing

urlpatterns: list[URLPattern | URLResolver] = [
    path("publications/<slug:secret>/", proving.publication, name="publication"),
    path("replacements/<slug:secret>/", replacing.replacement, name="replacement"),
    path("invitations/<slug:secret>/", inviting.invitation, name="invitation"),
    path("invitations/<slug:secret>/never/", inviting.never, name="invitation-never"),
    path("consent/<slug:secret>/", consent.consent, name="consent"),
    path("consent/<slug:secret>/never/", consent.never, name="consent-never"),
    path("pki/<slug:slug>.crt", pki.issuer_certificate, name="pki-issuer"),
    path("pki/<slug:slug>/<int:shard>.crl", pki.revocation_list, name="pki-revocation-list"),
]
