"""What an error of AWS's means: refused, unknown, wrong credentials, away, or something else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

CREDENTIAL_CODES = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "InvalidSecurity", "ExpiredToken", "ExpiredTokenException", "AuthFailure", "MissingAuthenticationToken",
    "IncompleteSignature", "InvalidSignatureException", "MissingAuthenticationTokenException",
})  # fmt: skip
CLOCK_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "NotAuthorized"})
MISSING_CODES = frozenset({"NonExistentQueue", "QueueDoesNotExist", "NotFound", "NoSuchBucket"})
NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
ERRORS = (ClientError, BotoCoreError, ResponseParserError)

NOT_AWS = "something answers that is not AWS"


class Meaning(StrEnum):
    """What an error means to who asked."""

    DENIED = "denied"
    BAD_CREDENTIALS = "bad credentials"
    CLOCK = "clock"
    MISSING = "missing"
    AWAY = "away"
    OTHER = "other"


@dataclass(frozen=True)
class Answer:
    """An error, understood."""

    meaning: Meaning
    code: str
    said: str

    @classmethod
    def of(cls, error: Exception) -> Answer:
        """What one of ``ERRORS`` means."""
        said = " ".join(str(error).split())
        if isinstance(error, NO_CREDENTIALS):
            return cls(Meaning.BAD_CREDENTIALS, type(error).__name__, said)
        if isinstance(error, ResponseParserError):
            return cls(Meaning.AWAY, type(error).__name__, NOT_AWS)
        if not isinstance(error, ClientError):
            return cls(Meaning.AWAY, type(error).__name__, said)
        told = error.response["Error"]
        code, message = str(told.get("Code", "")), str(told.get("Message", ""))
        if "<Code>" in message:  # XML where JSON was asked for
            code = _between("Code", message) or code
            message = _between("Message", message) or message
        code = code.rpartition(".")[2]
        if code.isdecimal():  # botocore's word for an answer without a code
            return cls(Meaning.AWAY, code, f"{NOT_AWS} (HTTP {code})")
        said = f"{code}: {' '.join(message.split())}"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return cls(_meaning(code, message, status), code, said)


def server_date(answer: dict[str, Any]) -> str | None:
    """The Date header of an answer, or of an error's ``response``."""
    headers: dict[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("date")


def _meaning(code: str, message: str, status: int) -> Meaning:
    # SQS tells a signature of another time by the words, under a code that also means a wrong secret.
    if code in CLOCK_CODES or "Signature expired" in message or "Signature not yet current" in message:
        return Meaning.CLOCK
    if code in CREDENTIAL_CODES:
        return Meaning.BAD_CREDENTIALS
    if code in DENIED_CODES:
        return Meaning.DENIED
    if code in MISSING_CODES:
        return Meaning.MISSING
    return Meaning.AWAY if status >= 500 else Meaning.OTHER  # noqa: PLR2004 - HTTP's "the server's fault"


def _between(tag: str, text: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found.group(1) if found else ""
