"""boto3 clients for the server's account and region, and the one place that translates AWS's errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from programs.kit.caches import ExpiringCache
from programs.kit.waiting import SYSTEM_CLOCK, WaitClock
from programs.targets.aws.api import wording
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings, split_list

_RETRIES = {"max_attempts": 8, "mode": "adaptive"}
_TIMEOUT_SECONDS = 20
_MAX_SHARED, _SHARED_SECONDS = 8, 600.0
_MISSING_ENDINGS = (
    "NotFound",
    "NotFoundException",
    "NotFoundFault",
    "DoesNotExist",
    "NonExistentQueue",
    "NoSuchEntity",
)
_MISSING_CODES = ("NoSuchBucket", "404", "NoSuchHostedZone", "ClusterNotFoundException", "ServiceNotActiveException")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AwsClients:
    """One session. Refreshes the credentials of an assumed role automatically, also while an operation runs.

    ``clock`` measures waiting for AWS. ``utc_now`` decides whether credentials are about to expire."""

    def __init__(
        self, settings: AwsSettings, clock: WaitClock = SYSTEM_CLOCK, utc_now: Callable[[], datetime] = _utc_now
    ) -> None:
        self.settings, self.clock = settings, clock
        session = _botocore_session(settings, utc_now)
        self._session = boto3.Session(botocore_session=session, region_name=settings.region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # a session isn't safe to share between threads, its clients are

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                with translated(wording.connecting_to(service)):
                    self._clients[service] = self._session.client(
                        service, endpoint_url=self.settings.endpoint or None, config=_client_config()
                    )
            return self._clients[service]

    def access_key(self) -> str:
        """The access key ID of the current credentials. It isn't secret."""
        return str(self._session.get_credentials().access_key)

    def list_all(self, service: str, operation: str, key: str, **request: Any) -> list[Any]:
        """All pages of a listing."""
        with translated(f"{service} {operation}"):
            pages = self.client(service).get_paginator(operation).paginate(**request)
            return [item for page in pages for item in page.get(key, [])]

    def check_account(self) -> None:
        """Raises unless the credentials belong to one of the allowed accounts."""
        allowed = split_list(self.settings.accounts)
        if allowed:
            with translated("sts GetCallerIdentity"):
                account = self.client("sts").get_caller_identity()["Account"]
            if account not in allowed:
                raise AwsError(wording.wrong_account(account, ", ".join(allowed)))


def shared(settings: AwsSettings) -> AwsClients:
    """Clients for repeated readings of an account: creating them takes longer than most requests. They are kept only
    for a while, because an operator may have replaced the credentials in a file."""
    return _SHARED.get(settings) or _SHARED.put(settings, AwsClients(settings))


_SHARED: ExpiringCache[AwsSettings, AwsClients] = ExpiringCache(_MAX_SHARED, _SHARED_SECONDS, time.monotonic)


def _client_config() -> Config:
    return Config(
        retries=_RETRIES,
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        s3={"addressing_style": "path"},
    )


def _botocore_session(settings: AwsSettings, utc_now: Callable[[], datetime]) -> Any:
    session = botocore.session.Session(profile=settings.profile or None)
    if settings.role:
        source = botocore.session.Session(profile=settings.profile or None)
        with translated(wording.READING_CREDENTIALS):
            credentials = source.get_credentials()
        if credentials is None:
            raise AwsError(wording.CREDENTIALS_MISSING)
        session._credentials = DeferredRefreshableCredentials(
            lambda: _assume_role(source, settings), method="assume-role", time_fetcher=utc_now
        )
    return session


def _assume_role(source: Any, settings: AwsSettings) -> dict[str, str]:
    """Called again when the credentials that it returned are about to expire."""
    external = {"ExternalId": settings.external_id} if settings.external_id else {}
    with translated("sts AssumeRole"):
        sts = source.create_client(
            "sts", region_name=settings.region, endpoint_url=settings.endpoint or None, config=_client_config()
        )
        found = sts.assume_role(RoleArn=settings.role, RoleSessionName="eph", **external)["Credentials"]
    return {
        "access_key": found["AccessKeyId"],
        "secret_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
        "expiry_time": found["Expiration"].isoformat(),
    }


def is_missing(error: ClientError) -> bool:
    """Whether the resource of this request doesn't exist."""
    code = str(error.response["Error"]["Code"])
    return code.endswith(_MISSING_ENDINGS) or code in _MISSING_CODES or (".NotFound" in code)


@contextmanager
def translated(request: str) -> Iterator[None]:
    """Turns AWS's errors into ``AwsError``."""
    try:
        yield
    except ClientError as error:
        about = error.response["Error"]
        raise AwsError(wording.refused(request, about["Code"], about.get("Message", ""))) from error
    except BotoCoreError as error:
        raise AwsError(wording.unreachable(request, error)) from error


@contextmanager
def missing_ignored(request: str) -> Iterator[None]:
    """Ignores that a resource doesn't exist: the caller wants it gone."""
    try:
        with translated(request):
            yield
    except AwsError as error:
        if not (isinstance(error.__cause__, ClientError) and is_missing(error.__cause__)):
            raise
