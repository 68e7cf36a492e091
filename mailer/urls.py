"""The mailer's pages and the files of its certificate authority."""

from django.urls import URLPattern, URLResolver, path

from mailer.views import consent, inviting, owning, pki, proving, replacing, uploading

urlpatterns: list[URLPattern | URLResolver] = [
    path("publications/<slug:secret>/", proving.publication, name="publication"),
    path("replacements/<slug:secret>/", replacing.replacement, name="replacement"),
    path("invitations/<slug:secret>/", inviting.invitation, name="invitation"),
    path("invitations/<slug:secret>/never/", inviting.never, name="invitation-never"),
    path("consent/<slug:secret>/", consent.consent, name="consent"),
    path("consent/<slug:secret>/never/", consent.never, name="consent-never"),
    path("publish/", uploading.publish, name="publish"),
    path("mailbox/", owning.ask, name="mailbox"),
    path("mailbox/<slug:secret>/", owning.owner, name="owner"),
    path("mailbox/<slug:secret>/certificate/", owning.replace, name="owner-replace"),
    path("mailbox/<slug:secret>/erase/", owning.erase, name="owner-erase"),
    path("mailbox/<slug:secret>/still-mine/", owning.still_mine, name="owner-still-mine"),
    path("pki/<slug:slug>.crt", pki.issuer_certificate, name="pki-issuer"),
    path("pki/<slug:slug>/<int:shard>.crl", pki.revocation_list, name="pki-revocation-list"),
]
