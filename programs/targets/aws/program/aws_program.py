"""The inline program: one environment as Pulumi resources, in the order that keeps the old version live.

Network and security groups → storage, databases and secrets → roles and log group → hooks, seeds and migrations →
services, each after those it names → routes → done. Host rules and DNS records are created early: a service joins its
target group only when it is healthy.
"""

from __future__ import annotations

import pulumi
from pulumi import Output, ResourceOptions

from programs import registry
from programs.outputs import OutputExporter
from programs.targets.aws import gateway_routes, names
from programs.targets.aws.program import provider as providers
from programs.targets.aws.program.commands import Commands
from programs.targets.aws.program.databases import Databases
from programs.targets.aws.program.environment import AwsEnvironment
from programs.targets.aws.program.load_balancing import LoadBalancing
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.secret_values import SecretValues
from programs.targets.aws.program.security import SecurityGroups
from programs.targets.aws.program.services import Services, ServiceSurroundings
from programs.targets.aws.program.storage import Storage
from programs.targets.aws.program.task_definitions import TaskDefinitions
from programs.targets.aws.v1 import resources


def build(environment: AwsEnvironment) -> None:
    resources.Mark("mark", _mark(environment))
    provider, hooks = providers.create(environment), environment.spec.hooks
    network = Network(environment, provider)
    security = SecurityGroups(environment, provider, network)
    storage = Storage(environment, provider)
    secret_values = SecretValues(environment, provider)
    databases = Databases(environment, provider, network, security, secret_values)
    load_balancing = LoadBalancing(environment, provider, network, security)
    definitions = TaskDefinitions(environment, provider, storage, secret_values)
    commands = Commands(definitions, network, security)
    filled = commands.fill(databases, commands.run_hooks("pre-create", hooks.pre_create, []))
    surroundings = ServiceSurroundings(network, security, load_balancing, definitions)
    services = Services(provider, surroundings, [*network.ready, *definitions.ready, *filled])
    routed = _routes(environment, [*services.ready, *load_balancing.records])
    last = commands.run_hooks("post-create", hooks.post_create, routed)
    done = resources.Done("done", {"generation": environment.generation}, ResourceOptions(depends_on=last))
    notices = Output.all(*databases.notices)
    OutputExporter(environment.urls, databases.urls, _logs(environment), _hints(environment), notices).export(
        environment.spec, environment.version, done.at
    )


def _routes(environment: AwsEnvironment, ready: list[pulumi.Resource]) -> list[pulumi.Resource]:
    """At Eph's gateway, through which ephd checks whether the environment responds."""
    settings, spec = environment.settings, environment.spec
    if not settings.routes:
        return ready
    health = {item.name: item.health.path for item in spec.services}
    return [
        *ready,
        *(
            resources.LoadBalancerRoute(
                f"route-{name}",
                {
                    "folder": settings.routes,
                    "environment": spec.name,
                    "host": host,
                    "service": name,
                    "commit": spec.source.commit,
                    "upstream": gateway_routes.upstream(settings, environment.shared, host),
                    "health": health[name],
                },
                ResourceOptions(depends_on=ready),
            )
            for name, host in environment.hosts.items()
        ),
    ]


def _mark(environment: AwsEnvironment) -> dict[str, object]:
    """The input of the first resource: whose the stack is, and which images it runs."""
    spec = environment.spec
    pinned = {"commit": spec.source.commit, "images": dict(spec.images), "found": dict(spec.found)}
    return {
        registry.ENVIRONMENT_INPUT: spec.name,
        registry.TARGET_INPUT: spec.target,
        registry.PINNED_INPUT: pinned,
    }


def _logs(environment: AwsEnvironment) -> str:
    group = names.log_group(environment.settings.server, environment.spec.name)
    return f"aws logs tail {group} --region {environment.settings.region}"


def _hints(environment: AwsEnvironment) -> list[str]:
    name, where = environment.spec.name, f"--region {environment.settings.region}"
    cluster = environment.settings.cluster or environment.name(names.OTHER)
    return [
        f"aws ecs list-tasks --cluster {cluster} {where}",
        f"aws resourcegroupstaggingapi get-resources --tag-filters Key=Environment,Values={name} {where}",
    ]
