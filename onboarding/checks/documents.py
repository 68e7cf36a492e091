"""Evidence: whether a document can be looked at, and whether it does more than be looked at."""

import re
from datetime import datetime

from onboarding.applications import Application, CheckOutcome
from onboarding.checks.base import Finding
from onboarding.evidence import open_content
from onboarding.sniffing import MediaType

SOURCE = "Letterlock"
# Names of a PDF that run or open something or carry files (ISO 32000-1 12.6.4, 7.11.4). They may also stand compressed, where this does not look.
ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|OpenAction|AA|EmbeddedFile|RichMedia|XFA)\b")
LOCKED = re.compile(rb"/Encrypt\b")


class DocumentsCheck:
    name = "documents"

    def run(self, application: Application, *, at: datetime) -> Finding:  # noqa: ARG002 - the Protocol's
        active, locked, seen = [], [], False
        for evidence in application.evidence.order_by("at", "id").iterator(chunk_size=1):
            seen = True
            if evidence.media_type != MediaType.PDF:
                continue
            content = open_content(evidence)
            if LOCKED.search(content):
                locked.append(evidence.filename)
            elif ACTIVE.search(content):
                active.append(evidence.filename)
        if not seen:
            return Finding(CheckOutcome.FAIL, "documents_missing", SOURCE)
        if locked:
            return Finding(CheckOutcome.LOOK, "documents_locked", SOURCE, {"files": ", ".join(locked)[:400]})
        if active:
            return Finding(CheckOutcome.LOOK, "documents_active", SOURCE, {"files": ", ".join(active)[:400]})
        return Finding(CheckOutcome.PASS, "documents_plain", SOURCE)
