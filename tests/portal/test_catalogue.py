"""The Chinese catalogue is whole: every message of code and templates has words, and the words keep the placeholders."""

from gettext import GNUTranslations
from io import BytesIO

from babel.messages.catalog import Message
from babel.messages.mofile import write_mo

from portal import catalogues

PLAIN = {"JSON", "DER", "SHA-256", "SubjectPublicKeyInfo", "IssuerAndSerialNumber", "Message-ID"}


def messages() -> list[Message]:
    return [message for message in catalogues.read() if message.id]


def test_it_knows_every_message_of_code_and_templates_and_no_other() -> None:
    wanted = {(message.context, message.id) for message in catalogues.extract() if message.id}
    assert wanted == {(message.context, message.id) for message in messages()}, "run `manage.py catalogues`, then translate what is new"


def test_every_message_has_words_and_none_is_a_guess() -> None:
    assert [message.id for message in messages() if message.fuzzy or not catalogues.translated(message)] == []


def test_every_translation_keeps_its_placeholders() -> None:
    whole = catalogues.read()
    assert [(message.id, faults) for message in messages() if (faults := list(message.check(whole)))] == []


def test_every_translation_is_chinese() -> None:
    same = {message.id for message in messages() if message.string == message.id}
    assert same <= PLAIN


def test_it_finds_messages_in_templates_and_code() -> None:
    found = {message.id for message in catalogues.extract()}
    assert "Letters that only their reader can open" in found  # {% translate %}
    assert ("of %(shown)s address", "of %(shown)s addresses") in found  # {% blocktranslate count %}
    assert ("%(days)d day left", "%(days)d days left") in found  # ngettext
    assert "mailbox-validated" in found  # gettext_lazy as _


def test_the_compiled_catalogue_speaks() -> None:
    compiled = BytesIO()
    write_mo(compiled, catalogues.read())
    compiled.seek(0)
    chinese = GNUTranslations(compiled)
    assert chinese.gettext("Look up an address") == "查询地址"
    assert chinese.ngettext("%(days)d day left", "%(days)d days left", 2) % {"days": 2} == "还剩 2 天"
