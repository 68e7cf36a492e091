"""The message catalogues: what is to be translated is read out of code and templates by Babel; no gettext programs are needed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS
from babel.messages.extract import extract as scan
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("directory", "mailer", "onboarding", "portal")
LOCALE = "zh_Hans"
CATALOGUE = ROOT / "locale" / LOCALE / "LC_MESSAGES" / "django.po"
KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
TEMPLATES = frozenset({".html", ".txt"})
WIDTH = 110


def sources() -> Iterator[Path]:
    """Every file that may hold words: code and templates, in a fixed order."""
    for folder in (*ROOMS, "templates"):
        for path in sorted((ROOT / folder).rglob("*")):
            is_code = path.suffix == ".py" and "migrations" not in path.parts
            is_template = path.suffix in TEMPLATES and "templates" in path.relative_to(ROOT).parts
            if is_code or is_template:
                yield path


def extract() -> Catalog:
    """Every message of the project, with where it stands."""
    catalog = Catalog(project="Letterlock", charset="utf-8")
    for path in sources():
        text = path.read_text(encoding="utf-8")
        code = templatize(text, origin=str(path)) if path.suffix in TEMPLATES else text
        for line, message, comments, context in scan("python", BytesIO(code.encode()), KEYWORDS, ["Translators:"], {"encoding": "utf-8"}):
            catalog.add(message, locations=[(str(path.relative_to(ROOT)), line)], auto_comments=comments, context=context)
    return catalog


def read() -> Catalog:
    """The Chinese catalogue as it stands."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale=LOCALE)


def translated(message: Message) -> bool:
    """Whether every form of a message has words."""
    forms = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return all(forms)


def update() -> Catalog:
    """Bring the catalogue to what the sources say: new messages come in without a translation, gone ones leave. Nothing is guessed."""
    catalog = read() if CATALOGUE.exists() else Catalog(locale=LOCALE, project="Letterlock", charset="utf-8", fuzzy=False)
    catalog.update(extract(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.header_comment = "# Letterlock in Simplified Chinese."
    catalog.version, catalog.msgid_bugs_address = "1", "none"
    catalog.last_translator = catalog.language_team = "Letterlock"
    # Dates would make every run a change.
    catalog.creation_date = catalog.revision_date = datetime(2026, 11, 25, tzinfo=UTC)
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        write_po(file, catalog, width=WIDTH, sort_by_file=True, include_lineno=False, omit_header=False)
    return catalog
