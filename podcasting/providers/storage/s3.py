"""Storage in an S3 bucket, or in anything that speaks S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from podcasting.errors import Permanent, Retryable, Throttled
from podcasting.providers.storage.keys import checked_key, is_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MISSING = {"NoSuchKey", "404"}
"""HEAD has no body to carry a code, so boto3 reports its status instead."""

THROTTLING = {
    "503",
    "429",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "TooManyRequestsException",
}

FIXES = {
    "AccessDenied": "grant this role {permission} on it",
    "403": "grant this role {permission} on it",
    "NoSuchBucket": "create it, or correct its name in the settings",
    "InvalidBucketName": "correct its name in the settings",
    "PermanentRedirect": "set AWS_REGION to the region it is in",
    "InvalidAccessKeyId": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a pair that is active",
    "SignatureDoesNotMatch": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a pair that is active",
}
"""The codes that no retry cures, each with what does."""

PERMISSIONS = {
    "put": "s3:PutObject",
    # Without s3:ListBucket S3 answers 403, not 404, for a key that isn't there.
    "get": "s3:GetObject and s3:ListBucket",
    "size": "s3:GetObject and s3:ListBucket",
    "delete": "s3:DeleteObject",
}


class S3Storage:
    """Keeps each key as an object in ``bucket``, below ``prefix``.

    ``client`` is boto3's; it is safe to share between threads. The bucket stays private or becomes
    public by its own policy; no object is given an ACL.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, key: str, content: bytes, *, content_type: str, cache_seconds: int = 0) -> None:
        """See :class:`podcasting.providers.storage.Storage`.

        Raises, beside what the port says:
            Permanent: the bucket does not exist or refuses us; names the bucket, the action and the fix.
            Throttled: S3 asked us to slow down.
        """
        object_key = self.prefix + checked_key(key)
        try:
            self._client.put_object(
                Bucket=self.bucket,
                Key=object_key,
                Body=content,
                ContentType=content_type,
                CacheControl=f"public, max-age={cache_seconds}" if cache_seconds > 0 else "no-cache",
            )
        except (ClientError, BotoCoreError) as error:
            self._fail("put", key, error)

    def get(self, key: str) -> bytes:
        """See :class:`podcasting.providers.storage.Storage`; raises Permanent and Throttled as :meth:`put` does."""
        if not is_key(key):
            raise KeyError(key)
        try:
            return self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if _code(error) in MISSING:
                raise KeyError(key) from None
            self._fail("get", key, error)

    def size(self, key: str) -> int | None:
        """See :class:`podcasting.providers.storage.Storage`; raises Permanent and Throttled as :meth:`put` does."""
        if not is_key(key):
            return None
        try:
            return self._client.head_object(Bucket=self.bucket, Key=self.prefix + key)["ContentLength"]
        except (ClientError, BotoCoreError) as error:
            if _code(error) in MISSING:
                return None
            self._fail("size", key, error)

    def delete(self, key: str) -> None:
        """See :class:`podcasting.providers.storage.Storage`; raises Permanent and Throttled as :meth:`put` does.

        In a bucket that keeps versions its owner can bring the content back; nobody is served it.
        """
        if not is_key(key):
            return
        try:
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + key)
        except (ClientError, BotoCoreError) as error:
            self._fail("delete", key, error)

    def _fail(self, action: str, key: str, error: ClientError | BotoCoreError) -> NoReturn:
        what = f"S3 bucket {self.bucket!r}: {action} of {self.prefix + key} failed: {error}"
        code = _code(error)
        if code in THROTTLING:
            raise Throttled(f"{what}; it is tried again, slower", after=_retry_after(error)) from error
        if code in FIXES:
            raise Permanent(f"{what}; {FIXES[code].format(permission=PERMISSIONS[action])}") from error
        raise Retryable(
            f"{what}; it is tried again, see that the endpoint can be reached and credentials are set"
        ) from error


def _code(error: Exception) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def _retry_after(error: Exception) -> float | None:
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {}) if isinstance(error, ClientError) else {}
    seconds = headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None
