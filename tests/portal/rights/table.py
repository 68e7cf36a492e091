"""Who may do what, route by route. A route that is not here fails `test_rights_matrix`."""

from collections.abc import Mapping

from tests.portal.rights.cast import Person
from tests.portal.rights.doors import FORM, SAFE, Door, Outcome, api, everybody, nobody_here, people, team

P = Person
TEAM = (P.OWNER, P.ADMIN, P.DEVELOPER, P.VIEWER)
TOKEN_MAKERS = (P.OWNER, P.ADMIN, P.DEVELOPER)
VERIFIED = (*TEAM, P.APPLICANT, P.CHARLIE, P.REVIEWER, P.OPERATOR)
BARE = (P.BARE_OWNER, P.BARE_REVIEWER, P.BARE_OPERATOR)
SIGNED_IN = (*VERIFIED, *BARE)
POST = ("POST",)


def applicants(methods: tuple[str, ...]) -> Door:
    return people(methods, P.APPLICANT, others=Outcome.HIDDEN)


def reviewers(methods: tuple[str, ...]) -> Door:
    return people(methods, P.REVIEWER, others=Outcome.HIDDEN)


def operators(methods: tuple[str, ...]) -> Door:
    return people(methods, P.OPERATOR, others=Outcome.HIDDEN)


RIGHTS: Mapping[str, Door] = {
    # Everybody's
    "home": everybody(),
    "lookup": everybody(),
    "developers": everybody(),
    "privacy": everybody(),
    "accessibility": everybody(),
    "language": everybody(),
    "robots": everybody(),
    "favicon": everybody(),
    "health": everybody(),
    "certificate-file": everybody(),
    "certificate-view": everybody(),
    "publish": everybody(FORM),
    "mailbox": everybody(FORM),
    "owner": nobody_here(FORM),
    "owner-replace": nobody_here(FORM),
    "owner-erase": nobody_here(FORM),
    "owner-still-mine": nobody_here(FORM),
    # Outside a demo there are no such pages.
    "demo-inbox": nobody_here(SAFE),
    "demo-inbox-source": nobody_here(SAFE),
    "publication": nobody_here(FORM),
    "replacement": nobody_here(FORM),
    "invitation": nobody_here(FORM),
    "invitation-never": nobody_here(POST, asked=SAFE),
    "consent": nobody_here(FORM),
    "consent-never": nobody_here(POST, asked=SAFE),
    "pki-issuer": everybody(),
    "pki-revocation-list": everybody(),
    # Accounts
    "register": everybody(FORM),
    "register-sent": everybody(),
    "confirm": nobody_here(FORM),
    "login": everybody(FORM, without_factor=Outcome.FACTOR),
    "logout": everybody(POST),
    "second-factor": people(FORM, *SIGNED_IN, others=Outcome.LOGIN),
    "second-factor-qr": people(SAFE, *BARE, others=Outcome.HIDDEN, without_factor=Outcome.OPEN),
    "account": people(SAFE, *VERIFIED, others=Outcome.FACTOR),
    "recovery-codes": people(FORM, *VERIFIED, others=Outcome.FACTOR),
    # Applications
    "applications": people(FORM, *VERIFIED, others=Outcome.FACTOR),
    "application": applicants(SAFE),
    "application-part": applicants(FORM),
    "application-domain": applicants(FORM),
    "application-evidence": applicants(FORM),
    "application-evidence-remove": applicants(POST),
    "application-check": applicants(FORM),
    "application-answer": applicants(POST),
    "application-withdraw": applicants(FORM),
    # The review desk
    "review-queue": reviewers(SAFE),
    "review": reviewers(SAFE),
    "review-claim": reviewers(POST),
    "review-give-back": reviewers(POST),
    "review-decide": reviewers(POST),
    "review-evidence": reviewers(SAFE),
    # Those who run the house
    "operations": operators(SAFE),
    "operations-pause": operators(POST),
    "operations-resume": operators(POST),
    # An organisation's room
    "dashboard": team(SAFE, *TEAM),
    "send-log": team(SAFE, *TEAM),
    "send-log-csv": team(SAFE, *TEAM),
    "message": team(SAFE, *TEAM),
    "message-cancel": team(FORM, *TOKEN_MAKERS),
    "certificate": team(SAFE, *TEAM),
    "sending": team(FORM, P.OWNER, P.ADMIN),
    "sending-pause": team(POST, P.OWNER, P.ADMIN),
    "sending-resume": team(POST, P.OWNER, P.ADMIN),
    "tokens": team(FORM, *TOKEN_MAKERS),
    "token-revoke": team(POST, *TOKEN_MAKERS),
    # The API
    "api-certificates": api(*SAFE, nameless=Outcome.OPEN, first=[Outcome.TOKEN]),
    "api-lookups": api(*POST, nameless=Outcome.OPEN, first=[Outcome.TOKEN]),
    "api-publications": api(*POST),
    "api-publication": api(*SAFE, charlie=Outcome.HIDDEN),
    "api-publication-proof": api(*POST, charlie=Outcome.HIDDEN),
    "api-contributions": api(*POST),
    "api-contribution": api(*SAFE, charlie=Outcome.HIDDEN),
    "api-messages": api(*FORM),
    "api-message": api(*SAFE, charlie=Outcome.HIDDEN),
    "api-message-cancel": api(*POST, charlie=Outcome.HIDDEN),
    "api-schema": everybody((*SAFE, "OPTIONS")),
    "api-docs": everybody(),
}
