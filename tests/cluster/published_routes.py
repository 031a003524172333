"""Manifests as charts publish them: an Ingress and an HTTPRoute, each with a host and paths to several services."""

from __future__ import annotations

import json
from typing import Any

SERVICES = ("web", "api", "docs")
ANSWERS = {
    "web": {"/": "web", "/api": "api", "/api/x": "api", "/apis": "web", "/about": "docs", "/about/x": "web"},
    "docs": {"/": "docs", "/v1/x": "api"},
}
"""Which service answers, by public service and path."""


def manifests() -> str:
    return "".join(f"---\n{json.dumps(data)}\n" for data in [*_workloads(), _ingress(), _http_route()])


def answering_service(page: str) -> str:
    """The sample app says ``hello from POD, commit …``."""
    return page.partition("hello from ")[2].partition("-")[0]


def _workloads() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in SERVICES:
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
        container = {"name": "app", "image": "shop", "ports": [{"containerPort": 8080}], "readinessProbe": probe}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        found.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
        ports = [{"port": 80, "targetPort": 8080}]
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
        found.append({**service, "spec": {"selector": {"app": name}, "ports": ports}})
    return found


def _ingress() -> dict[str, Any]:
    places = (("/", "Prefix", "web"), ("/api", "Prefix", "api"), ("/about", "Exact", "docs"))
    paths = [
        {"path": path, "pathType": kind, "backend": {"service": {"name": name, "port": {"number": 80}}}}
        for path, kind, name in places
    ]
    spec = {"rules": [{"host": "shop.example.com", "http": {"paths": paths}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def _http_route() -> dict[str, Any]:
    rules = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "backendRefs": [{"name": name, "port": 80}],
        }
        for path, name in (("/", "docs"), ("/v1", "api"))
    ]
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": ["docs.example.com"], "rules": rules}
    about = {"name": "docs"}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": about, "spec": spec}
