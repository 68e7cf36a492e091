"""Where signed answers are mailed to, if this installation takes mail in."""

from uuid import UUID

from django.conf import settings


def proof_address(publication_id: UUID | None) -> str:
    """`proof+<id>@` the intake's domain; empty where there is none, or nothing to answer."""
    domain = settings.LETTERLOCK_INTAKE_DOMAIN
    return f"proof+{publication_id}@{domain}" if domain and publication_id is not None else ""
