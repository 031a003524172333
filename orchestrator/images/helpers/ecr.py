"""Amazon ECR: a password for twelve hours, for AWS's default credentials. They need ``ecr:GetAuthorizationToken``, and
``ecr:BatchGetImage`` and ``ecr:GetDownloadUrlForLayer`` on the repositories."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from orchestrator.images import wording
from orchestrator.images.errors import RegistryRefused, RegistryUnavailable
from orchestrator.images.helpers.issued_credentials import IssuedCredentials

_HOST = re.compile(r"[0-9]{12}\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_SECONDS = 10.0
_TEMPORARY = ("ThrottlingException", "ServerException", "RequestTimeout", "ServiceUnavailable", "InternalFailure")


def is_registry(host: str) -> bool:
    return _HOST.fullmatch(host) is not None


class EcrHelper:
    def __init__(self, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._utc_now = utc_now

    def fetch(self, registry: str) -> IssuedCredentials:
        match = _HOST.fullmatch(registry)
        if match is None:
            raise RegistryRefused(wording.not_an_ecr_registry(registry))
        found = _authorization(match["region"])
        user, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
        return IssuedCredentials(user, password, (found["expiresAt"] - self._utc_now()).total_seconds())


def _authorization(region: str) -> dict[str, Any]:
    """Imported here, because boto3 takes a moment and few servers need it."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as AwsConnectionError

    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"max_attempts": 2})
    try:
        client = boto3.Session().client("ecr", region_name=region, config=config)
        return dict(client.get_authorization_token()["authorizationData"][0])
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code in _TEMPORARY:
            raise RegistryUnavailable(wording.aws_unavailable(code)) from None
        raise RegistryRefused(wording.aws_refused(code)) from None
    except (AwsConnectionError, HTTPClientError) as error:
        raise RegistryUnavailable(wording.aws_unavailable(type(error).__name__)) from None
    except BotoCoreError as error:
        raise RegistryRefused(wording.aws_refused(type(error).__name__)) from None
