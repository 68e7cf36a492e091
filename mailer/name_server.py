"""The DNS as the installation asks it: the system's resolver, or the one that LETTERLOCK_DNS names."""

import dns.exception
import dns.inet
import dns.name
import dns.resolver
from django.conf import settings

from mailer.dkim_verifying import DnsFault

SECONDS = 4.0
_PORT = 53


def named_resolver() -> dns.resolver.Resolver:
    if not settings.LETTERLOCK_DNS:
        return dns.resolver.Resolver()
    host, _, port = settings.LETTERLOCK_DNS.rpartition(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [host.strip("[]")]
    resolver.port = int(port or _PORT)
    return resolver


def texts_at(name: str) -> list[bytes]:
    """The TXT records at a name, each with its strings joined (RFC 6376 section 3.6.2.2). Takes at most four seconds; raises DnsFault."""
    try:
        answer = named_resolver().resolve(dns.name.from_text(name), "TXT", lifetime=SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.NameTooLong):
        return []
    except dns.exception.DNSException as error:
        raise DnsFault from error
    return [b"".join(record.strings) for record in answer]


def asked_addresses_of(host: str) -> list[str]:
    """The A and AAAA records of a name, or the address that it is already; none where there are none or nobody answers."""
    if dns.inet.is_address(host):
        return [host]
    try:
        return list(named_resolver().resolve_name(host, lifetime=SECONDS).addresses())
    except dns.exception.DNSException:
        return []
