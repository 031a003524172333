"""Google's API: Cloud Run Admin and Cloud Logging. Everything that works without Pulumi's state asks here."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from eph_cloudrun import names
from eph_cloudrun.config import CloudRunHost

RUN, LOGGING = "https://run.googleapis.com", "https://logging.googleapis.com"
DOMAINS = "apis/domains.cloudrun.com/v1"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TIMEOUT = 30.0
OPERATION_SECONDS = 300.0
Data = dict[str, Any]


class GoogleError(RuntimeError):
    """Google refused a request; the message is its own."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CloudRunApi:
    def __init__(self, host: CloudRunHost) -> None:
        self._host = host
        self._token = ""

    def services(self, environment: str = "") -> list[Data]:
        """Those that this Eph created. The list of a region can't be filtered by label."""
        found = self._pages(f"v2/{self._host.location}/services", "services")
        ours = [item for item in found if names.is_ours(self._host, item.get("labels") or {})]
        return [item for item in ours if environment in ("", item["labels"][names.ENVIRONMENT])]

    def delete_service(self, name: str) -> None:
        """Waits until it is gone. Idempotent. ``name``: the whole path."""
        try:
            operation = self._call("DELETE", f"v2/{name}")
        except GoogleError as error:
            if error.status == 404:
                return
            raise
        deadline = time.monotonic() + OPERATION_SECONDS
        while not operation.get("done"):
            if time.monotonic() > deadline:
                raise GoogleError(f"{name} wasn't deleted within {OPERATION_SECONDS:.0f} s", 0)
            time.sleep(0.5)
            operation = self._call("GET", f"v2/{operation['name']}")

    def revoke_invokers(self, name: str) -> None:
        self._call("POST", f"v2/{name}:setIamPolicy", {"policy": {"bindings": []}})

    def domain_mappings(self, environment: str = "") -> list[Data]:
        if not self._host.domain_mapping:
            return []
        found = self._pages(f"{DOMAINS}/namespaces/{self._host.project}/domainmappings", "items")
        ours = [item for item in found if names.is_ours(self._host, item["metadata"].get("labels") or {})]
        return [item for item in ours if environment in ("", item["metadata"]["labels"][names.ENVIRONMENT])]

    def delete_domain_mapping(self, host_name: str) -> None:
        path = f"{DOMAINS}/namespaces/{self._host.project}/domainmappings/{quote(host_name)}"
        try:
            self._call("DELETE", path)
        except GoogleError as error:
            if error.status != 404:
                raise

    def log_lines(self, services: list[str], lines: int) -> Iterator[tuple[str, str]]:
        """The newest lines of these services, oldest first, each with its service."""
        if not services:
            return
        names_ = " OR ".join(f'"{name}"' for name in services)
        body = {
            "resourceNames": [f"projects/{self._host.project}"],
            "filter": f'resource.type="cloud_run_revision" resource.labels.service_name=({names_})',
            "orderBy": "timestamp desc",
            "pageSize": max(1, lines),
        }
        entries = self._call("POST", "v2/entries:list", body, base=LOGGING).get("entries") or []
        for entry in reversed(entries):
            text = entry.get("textPayload") or json.dumps(entry.get("jsonPayload") or {})
            for line in str(text).splitlines() or [""]:
                yield entry["resource"]["labels"]["service_name"], line

    def _pages(self, path: str, key: str) -> Iterator[Data]:
        token = ""
        while True:
            query = urlencode({"pageSize": 100, **({"pageToken": token} if token else {})})
            page = self._call("GET", f"{path}?{query}")
            yield from page.get(key) or ()
            token = str(page.get("nextPageToken") or "")
            if not token:
                return

    def _call(self, method: str, path: str, body: Data | None = None, base: str = RUN) -> Data:
        url = f"{(self._host.endpoint or self._base(base, path)).rstrip('/')}/{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._access_token()}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - Google's URL or the operator's
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the same
                found: Data = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise GoogleError(f"Google refused {method} {path}: {_message(error)}", error.code) from None
        except OSError as error:
            raise GoogleError(f"Google's API can't be reached: {error}", 0) from None
        return found

    def _base(self, base: str, path: str) -> str:
        """Domain mappings are in the regional API."""
        return base.replace("//", f"//{self._host.region}-") if path.startswith(DOMAINS) else base

    def _access_token(self) -> str:
        if self._host.access_token:
            return self._host.access_token
        if not self._token:
            import google.auth
            import google.auth.transport.requests

            credentials, _ = google.auth.default(scopes=[SCOPE])
            credentials.refresh(google.auth.transport.requests.Request())
            self._token = str(credentials.token)
        return self._token


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
