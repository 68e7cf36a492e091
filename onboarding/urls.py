"""Addresses of accounts, applications and the review desk."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from onboarding.forms.application import FORMS
from onboarding.views import applying, evidence, registering, review, signing_in


class PartConverter(StringConverter):
    """The name of a part of the form."""

    regex = "|".join(FORMS)


register_converter(PartConverter, "part")
APPLICATION = "apply/<uuid:application_id>/"
REVIEW = "review/<uuid:application_id>/"

urlpatterns = [
    path("accounts/", signing_in.account, name="account"),
    path("accounts/register/", registering.register, name="register"),
    path("accounts/register/sent/", registering.sent, name="register-sent"),
    path("accounts/confirm/<str:secret>/", registering.confirm, name="confirm"),
    path("accounts/login/", signing_in.sign_in, name="login"),
    path("accounts/logout/", signing_in.sign_out, name="logout"),
    path("accounts/second-factor/", signing_in.second_factor, name="second-factor"),
    path("accounts/second-factor/code.svg", signing_in.qr_code, name="second-factor-qr"),
    path("accounts/second-factor/recovery-codes/", signing_in.recovery_codes, name="recovery-codes"),
    path("apply/", applying.applications, name="applications"),
    path(APPLICATION, applying.application, name="application"),
    path(f"{APPLICATION}<part:name>/", applying.part, name="application-part"),
    path(f"{APPLICATION}domain/", applying.domain, name="application-domain"),
    path(f"{APPLICATION}evidence/", evidence.documents, name="application-evidence"),
    path(f"{APPLICATION}evidence/<uuid:evidence_id>/remove/", evidence.remove, name="application-evidence-remove"),
    path(f"{APPLICATION}check/", applying.check_answers, name="application-check"),
    path(f"{APPLICATION}answer/", applying.answer, name="application-answer"),
    path(f"{APPLICATION}withdraw/", applying.withdraw, name="application-withdraw"),
    path("review/", review.review_queue, name="review-queue"),
    path(REVIEW, review.review, name="review"),
    path(f"{REVIEW}claim/", review.claim, name="review-claim"),
    path(f"{REVIEW}give-back/", review.give_back, name="review-give-back"),
    path(f"{REVIEW}decide/", review.decide, name="review-decide"),
    path(f"{REVIEW}evidence/<uuid:evidence_id>/", evidence.download, name="review-evidence"),
]
