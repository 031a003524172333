"""The inline program: a Cloud Run service for each service of the environment, who may open it, and its host name."""

from typing import Any

import pulumi
import pulumi_gcp as gcp
from pulumi import ResourceOptions

from eph_cloudrun import names
from eph_cloudrun.config import CloudRunHost
from eph_cloudrun.v1 import Address, Mark
from programs import registry, variables
from programs.kit import identifiers
from programs.outputs import OutputExporter
from programs.spec import EnvironmentSpec, ServiceSpec

INVOKER = "roles/run.invoker"
PROBE_PERIOD = 5
DEFAULT_PORT = 8080


def build(spec: EnvironmentSpec, host: CloudRunHost, version: str) -> None:
    Mark("mark", _mark(spec))
    provider = _provider(host)
    created: list[pulumi.Resource] = []
    for service in spec.services:
        created += _service(spec, host, service, provider)
    urls = names.public_urls(host, spec)
    if host.domain_mapping and urls:
        created.append(_domain_mapping(spec, host, next(iter(urls)), provider, created))
    address = Address("address", _address(spec, host, urls, version), ResourceOptions(depends_on=created))
    logs = (
        f"gcloud run services logs read {names.service_name(spec.name, next(iter(urls), 'web'))} --region {host.region}"
    )
    hint = f"gcloud run services list --filter metadata.labels.{names.ENVIRONMENT}={spec.name}"
    OutputExporter(urls, {}, logs, (hint,)).export(spec, version, address.at)


def _mark(spec: EnvironmentSpec) -> dict[str, Any]:
    pinned = {"commit": spec.source.commit, "images": dict(spec.images), "found": dict(spec.found)}
    return {
        registry.ENVIRONMENT_INPUT: spec.name,
        registry.TARGET_INPUT: spec.target,
        registry.PINNED_INPUT: pinned,
    }


def _provider(host: CloudRunHost) -> gcp.Provider:
    endpoint = f"{host.endpoint.rstrip('/')}/" if host.endpoint else None
    return gcp.Provider(
        "google",
        project=host.project,
        region=host.region,
        access_token=pulumi.Output.secret(host.access_token) if host.access_token else None,
        cloud_run_v2_custom_endpoint=f"{endpoint}v2/" if endpoint else None,
        cloud_run_custom_endpoint=endpoint,
    )


def _service(
    spec: EnvironmentSpec, host: CloudRunHost, service: ServiceSpec, provider: gcp.Provider
) -> list[pulumi.Resource]:
    found = gcp.cloudrunv2.Service(
        f"service-{service.name}",
        name=names.service_name(spec.name, service.name),
        location=host.region,
        project=host.project,
        labels=names.labels(host, spec.name, service.name),
        ingress="INGRESS_TRAFFIC_ALL",
        deletion_protection=False,
        template=_template(spec, host, service),
        opts=ResourceOptions(provider=provider),
    )
    members = [
        gcp.cloudrunv2.ServiceIamMember(
            f"invoker-{service.name}-{member}",
            name=found.name,
            location=host.region,
            project=host.project,
            role=INVOKER,
            member=member,
            opts=ResourceOptions(provider=provider),
        )
        for member in host.invokers
    ]
    return [found, *members]


def _template(spec: EnvironmentSpec, host: CloudRunHost, service: ServiceSpec) -> gcp.cloudrunv2.ServiceTemplateArgs:
    port = service.port or DEFAULT_PORT
    limits = {"cpu": service.resources.get("cpu") or host.cpu, "memory": service.resources.get("memory") or host.memory}
    container = gcp.cloudrunv2.ServiceTemplateContainerArgs(
        image=spec.images[service.image],
        commands=["/bin/sh", "-c", service.command] if service.command else None,
        envs=[
            gcp.cloudrunv2.ServiceTemplateContainerEnvArgs(name=name, value=value)
            for name, value in sorted(_variables(spec, host, service).items())
        ],
        ports=gcp.cloudrunv2.ServiceTemplateContainerPortsArgs(container_port=port),
        resources=gcp.cloudrunv2.ServiceTemplateContainerResourcesArgs(limits=limits, cpu_idle=True),
        startup_probe=_probe(service, port),
    )
    return gcp.cloudrunv2.ServiceTemplateArgs(
        containers=[container],
        scaling=gcp.cloudrunv2.ServiceTemplateScalingArgs(
            min_instance_count=0, max_instance_count=int(spec.options.get("max_instances") or host.max_instances)
        ),
        max_instance_request_concurrency=int(spec.options.get("concurrency") or 80),
        service_account=host.service_account or None,
    )


def _probe(service: ServiceSpec, port: int) -> gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs:
    """A revision that never passes it fails, and the previous one stays live."""
    attempts = max(1, service.health.deadline // PROBE_PERIOD)
    args: dict[str, Any] = {"period_seconds": PROBE_PERIOD, "timeout_seconds": PROBE_PERIOD}
    args["failure_threshold"] = attempts
    if service.health.path:
        http = gcp.cloudrunv2.ServiceTemplateContainerStartupProbeHttpGetArgs(path=service.health.path, port=port)
        return gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs(**args, http_get=http)
    tcp = gcp.cloudrunv2.ServiceTemplateContainerStartupProbeTcpSocketArgs(port=port)
    return gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs(**args, tcp_socket=tcp)


def _variables(spec: EnvironmentSpec, host: CloudRunHost, service: ServiceSpec) -> dict[str, Any]:
    urls = {item.name: names.run_url(host, spec.name, item.name) for item in spec.services}
    url = next(iter(names.public_urls(host, spec).values()), "")
    values = variables.address_values(url, urls, {})
    own = {"EPH_ENVIRONMENT": spec.name, "EPH_COMMIT": spec.source.commit, "EPH_URL": url}
    hidden = {name: pulumi.Output.secret(value) for name, value in spec.secret_values.items()}
    filled = variables.fill({**spec.env, **service.env}, values)
    return {**variables.public_variables(urls), **filled, **hidden, **own}


def _domain_mapping(
    spec: EnvironmentSpec, host: CloudRunHost, service: str, provider: gcp.Provider, ready: list[pulumi.Resource]
) -> pulumi.Resource:
    metadata = gcp.cloudrun.DomainMappingMetadataArgs(
        namespace=host.project, labels=names.labels(host, spec.name, service)
    )
    return gcp.cloudrun.DomainMapping(
        "domain",
        name=spec.host,
        location=host.region,
        project=host.project,
        metadata=metadata,
        spec=gcp.cloudrun.DomainMappingSpecArgs(route_name=names.service_name(spec.name, service)),
        opts=ResourceOptions(provider=provider, depends_on=ready),
    )


def _address(spec: EnvironmentSpec, host: CloudRunHost, urls: dict[str, str], version: str) -> dict[str, Any]:
    health = {item.name: item.health.path for item in spec.services}
    routes = [
        {
            "host": names.host_name(url),
            "upstream": url,
            "service": name,
            "commit": spec.source.commit,
            "health": health[name],
        }
        for name, url in urls.items()
    ]
    return {
        registry.ENVIRONMENT_INPUT: spec.name,
        "generation": identifiers.generation(spec, version),
        "folder": host.routes,
        "routes": routes,
    }
