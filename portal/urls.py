"""Every address of the portal."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from portal.views import (
    certificates,
    dashboard,
    demo_inbox,
    errors,
    letters,
    look_up,
    operations,
    public,
    public_certificates,
    send_log,
    sending,
    tokens,
)

ORGANIZATION = "organizations/<uuid:organization_id>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", public.home, name="home"),
    path("lookup", look_up.look_up, name="lookup"),
    path("developers/", public.developers, name="developers"),
    path("privacy/", public.privacy, name="privacy"),
    path("accessibility/", public.accessibility, name="accessibility"),
    path("language/<slug:code>/", public.language, name="language"),
    re_path(r"^certificates/(?P<fingerprint>[0-9a-f]{64})\.(?P<form>crt|pem|vcf)$", public_certificates.certificate_file, name="certificate-file"),
    re_path(r"^certificates/(?P<fingerprint>[0-9a-f]{64})/$", public_certificates.certificate, name="certificate-view"),
    path("robots.txt", public.robots, name="robots"),
    path("favicon.ico", public.favicon, name="favicon"),
    path("health/", public.health, name="health"),
    path("demo/inbox/", demo_inbox.inbox, name="demo-inbox"),
    path("demo/inbox/<str:name>", demo_inbox.source, name="demo-inbox-source"),
    path("api/", include("directory.api.urls")),
    path("api/", include("mailer.api.urls")),
    path("", include("mailer.urls")),
    path("", include("onboarding.urls")),
    path("admin/", admin.site.urls),
    path("operations/", operations.operations, name="operations"),
    path("operations/pause/", operations.pause_all, name="operations-pause"),
    path("operations/resume/", operations.resume_all, name="operations-resume"),
    path(ORGANIZATION, dashboard.dashboard, name="dashboard"),
    path(f"{ORGANIZATION}send-log/", send_log.send_log, name="send-log"),
    path(f"{ORGANIZATION}send-log.csv", send_log.send_log_csv, name="send-log-csv"),
    path(f"{ORGANIZATION}send-log/<uuid:message_id>/", letters.message, name="message"),
    path(f"{ORGANIZATION}send-log/<uuid:message_id>/cancel/", letters.take_back, name="message-cancel"),
    path(f"{ORGANIZATION}certificate/", certificates.certificate, name="certificate"),
    path(f"{ORGANIZATION}sending/", sending.sending, name="sending"),
    path(f"{ORGANIZATION}sending/pause/", sending.pause_sending, name="sending-pause"),
    path(f"{ORGANIZATION}sending/resume/", sending.resume_sending, name="sending-resume"),
    path(f"{ORGANIZATION}tokens/", tokens.tokens, name="tokens"),
    path(f"{ORGANIZATION}tokens/<uuid:token_id>/revoke/", tokens.revoke, name="token-revoke"),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
