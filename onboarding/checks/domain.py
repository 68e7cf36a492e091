"""Control of the sending domain: a TXT record (RFC 1035 section 3.3.14) with a value that only this applicant was given."""

from datetime import datetime

import dns.exception
import dns.name
import dns.resolver

from mailer.name_server import named_resolver
from onboarding.applications import Application, CheckOutcome
from onboarding.checks.base import Finding
from onboarding.checks.mail_providers import is_public_mail

SECONDS = 4.0
PREFIX = "letterlock-verify="


class DomainCheck:
    name = "domain"

    def run(self, application: Application, *, at: datetime) -> Finding:  # noqa: ARG002 - the Protocol's
        return look(application.domain, application.record_name, application.dns_value)


def look(domain: str, record_name: str, value: str) -> Finding:
    """Ask the DNS for the value. Takes at most four seconds; a question without an answer is no pass."""
    resolver = named_resolver()
    source = f"DNS {', '.join(map(str, resolver.nameservers))}"[:100]
    facts = {"domain": domain, "name": record_name}
    if is_public_mail(domain):
        return Finding(CheckOutcome.FAIL, "public_mail", source, facts)
    try:
        answer = resolver.resolve(dns.name.from_text(record_name), "TXT", lifetime=SECONDS, search=False)
    except dns.resolver.NXDOMAIN:
        return Finding(CheckOutcome.FAIL, _nothing_there(resolver, domain), source, facts)
    except dns.resolver.NoAnswer:
        return Finding(CheckOutcome.FAIL, "value_missing", source, facts)
    except dns.exception.DNSException:
        return Finding(CheckOutcome.FAIL, "no_answer", source, facts)
    found = {b"".join(record.strings) for record in answer}
    if value.encode() in found:
        return Finding(CheckOutcome.PASS, "value_seen", source, facts)
    return Finding(CheckOutcome.FAIL, "value_differs", source, facts)


def _nothing_there(resolver: dns.resolver.Resolver, domain: str) -> str:
    """Whether only the record is missing or the whole domain: two different mistakes to put right."""
    try:
        resolver.resolve(dns.name.from_text(domain), "SOA", lifetime=SECONDS, search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return "name_unknown"
    except dns.exception.DNSException:
        return "value_missing"
    return "value_missing"
