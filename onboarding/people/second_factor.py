"""The second factor: one-time codes of an authenticator (RFC 6238), and recovery codes for the day it is lost."""

import base64
import hashlib
import secrets
from datetime import datetime

from django.db import transaction
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from onboarding.people.events import record
from onboarding.people.models import User

RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
GROUP = 4
DIGITS = 6


class SecondFactorError(Exception):
    """The second factor was not given."""


class WrongCodeError(SecondFactorError):
    """The code is wrong, was used before, or is too old."""


class TooManyCodesError(SecondFactorError):
    """Wrong codes came too fast; nothing is compared for a moment, and each further one doubles it."""


class NotEnrolledError(SecondFactorError):
    """The account has no second factor yet."""


class AlreadyEnrolledError(SecondFactorError):
    """The account has a second factor; a new one is not set beside it."""


def is_enrolled(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begin(user: User) -> TOTPDevice:
    """The device that waits for its first code: made once, so that a page drawn again shows the same secret."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if is_enrolled(user):
            raise AlreadyEnrolledError
        device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        return device or TOTPDevice.objects.create(user=user, name="authenticator", confirmed=False)


def secret_of(device: TOTPDevice) -> str:
    """The secret as it is typed into an authenticator: base32 in groups of four."""
    text = base64.b32encode(device.bin_key).decode().rstrip("=")
    return _grouped(text, " ")


def enrol(user: User, code: str, *, actor: str, at: datetime) -> tuple[TOTPDevice, list[str]]:
    """Take the device into use by its first code; returns it and the recovery codes, which are shown once.

    Raises WrongCodeError, TooManyCodesError, NotEnrolledError (nothing was begun), AlreadyEnrolledError.
    """
    codes: list[str] = []
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if is_enrolled(user):
            raise AlreadyEnrolledError
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        if device is None:
            raise NotEnrolledError
        allowed, right = _compare(device, code)
        if right:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            record(user=user, verb="second_factor_enrolled", actor=actor, at=at)
            codes = _make_codes(user, actor=actor, at=at)
    _judge(allowed=allowed, right=right)
    return device, codes


def check(user: User, code: str, *, at: datetime) -> Device:
    """The device that `code` proves: the authenticator's for six digits, else a recovery code, which is then used up.

    Raises WrongCodeError, TooManyCodesError, NotEnrolledError.
    """
    if len(code) == DIGITS and code.isascii() and code.isdigit():
        return _check(user, TOTPDevice, code, verb="signed_in", at=at)
    return _check(user, StaticDevice, _stored(code), verb="recovery_code_used", at=at)


def renew_recovery_codes(user: User, *, actor: str, at: datetime) -> list[str]:
    """New recovery codes, shown once; the old ones stop working. Raises NotEnrolledError."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if not is_enrolled(user):
            raise NotEnrolledError
        return _make_codes(user, actor=actor, at=at)


def codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user, device__confirmed=True).count())


def _check(user: User, kind: type[TOTPDevice] | type[StaticDevice], code: str, *, verb: str, at: datetime) -> Device:
    # The failure's count must be kept, so the error is raised when the transaction is over.
    with transaction.atomic():
        device = kind.objects.select_for_update().filter(user=user, confirmed=True).first()
        if device is None:
            raise NotEnrolledError
        allowed, right = _compare(device, code)
        if right:
            record(user=user, verb=verb, actor=user.actor, at=at)
    _judge(allowed=allowed, right=right)
    return device


def _compare(device: Device, code: str) -> tuple[bool, bool]:
    allowed = device.verify_is_allowed()[0]
    return allowed, allowed and device.verify_token(code)


def _judge(*, allowed: bool, right: bool) -> None:
    if not allowed:
        raise TooManyCodesError
    if not right:
        raise WrongCodeError


def _make_codes(user: User, *, actor: str, at: datetime) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_stored(code)) for code in codes)
    record(user=user, verb="recovery_codes_made", actor=actor, at=at, count=len(codes))
    return [_grouped(code, "-") for code in codes]


def _stored(code: str) -> str:
    """What is kept of a recovery code: 80 bits of its SHA-256. The code itself is as strong, and the table tells nobody what it was."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return base64.b32encode(hashlib.sha256(plain.encode()).digest()).decode().lower()[:16]


def _grouped(text: str, mark: str) -> str:
    return mark.join(text[start : start + GROUP] for start in range(0, len(text), GROUP))
