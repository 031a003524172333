"""ECS: clusters, task definitions, services."""

from __future__ import annotations

import json
from typing import Any

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import (
    Kind,
    Values,
    kind,
    lower_tag_list,
    lower_tag_map,
    read_back,
    removed_keys,
    renamed,
    wait_until,
)

_SERVICE_NAMES = {
    "name": "serviceName",
    "cluster": "cluster",
    "taskDefinition": "taskDefinition",
    "desiredCount": "desiredCount",
    "launchType": "launchType",
    "loadBalancers": "loadBalancers",
    "healthCheckGracePeriodSeconds": "healthCheckGracePeriodSeconds",
    "propagateTags": "propagateTags",
}
_UPDATED = ("taskDefinition", "desiredCount", "healthCheckGracePeriodSeconds", "loadBalancers")


class TaggedEcs(Kind):
    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("ecs").untag_resource(resourceArn=id_, tagKeys=removed)
        aws("ecs").tag_resource(resourceArn=id_, tags=lower_tag_list(new["tagsAll"]))


@kind("aws:ecs/cluster:Cluster")
class Cluster(TaggedEcs):
    replaced_by = ("name",)
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("ecs").create_cluster(clusterName=inputs["name"], tags=lower_tag_list(inputs["tagsAll"]))
        return str(made["cluster"]["clusterArn"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = aws("ecs").describe_clusters(clusters=[id_], include=["TAGS"])["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        return {"arn": id_, "name": found[0]["clusterName"], "tagsAll": lower_tag_map(found[0].get("tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ecs").delete_cluster(cluster=id_)


@kind("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders")
class ClusterCapacityProviders(Kind):
    replaced_by = ("clusterName",)
    updated_by = ("capacityProviders",)

    def create(self, aws: Connection, inputs: Values) -> str:
        self._put(aws, inputs["clusterName"], inputs["capacityProviders"])
        return str(inputs["clusterName"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        self._put(aws, id_, new["capacityProviders"])

    def _put(self, aws: Connection, cluster: str, names: list[str]) -> None:
        aws("ecs").put_cluster_capacity_providers(
            cluster=cluster, capacityProviders=names, defaultCapacityProviderStrategy=[]
        )

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = aws("ecs").describe_clusters(clusters=[id_])["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        return {"clusterName": id_, "capacityProviders": sorted(found[0].get("capacityProviders", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        self._put(aws, id_, [])


@kind("aws:ecs/taskDefinition:TaskDefinition")
class TaskDefinition(Kind):
    """A revision never changes: each change is a new one, and the old one is deregistered."""

    replaced_by = (
        "family", "containerDefinitions", "cpu", "memory", "networkMode", "requiresCompatibilities",
        "executionRoleArn", "taskRoleArn", "runtimePlatform",
    )  # fmt: skip

    def create(self, aws: Connection, inputs: Values) -> str:
        names = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn", "taskRoleArn")
        platform = renamed(
            inputs.get("runtimePlatform", {}),
            {"operatingSystemFamily": "operatingSystemFamily", "cpuArchitecture": "cpuArchitecture"},
        )
        made = aws("ecs").register_task_definition(
            **renamed(inputs, {name: name for name in names}),
            runtimePlatform=platform,
            containerDefinitions=json.loads(inputs["containerDefinitions"]),
            tags=lower_tag_list(inputs["tagsAll"]),
        )
        found = made["taskDefinition"]
        inputs["arn"], inputs["revision"] = found["taskDefinitionArn"], found["revision"]
        return str(found["family"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        answer = aws("ecs").describe_task_definition(taskDefinition=state["arn"], include=["TAGS"])
        found = answer["taskDefinition"]
        if found["status"] != "ACTIVE":
            return None
        return {
            "arn": found["taskDefinitionArn"],
            "arnWithoutRevision": found["taskDefinitionArn"].rpartition(":")[0],
            "family": found["family"],
            "revision": found["revision"],
            "tagsAll": lower_tag_map(answer.get("tags", [])),
        }

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        TaggedEcs().update(aws, old["arn"], old, new)
        new["arn"] = old["arn"]

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ecs").deregister_task_definition(taskDefinition=state["arn"])


@kind("aws:ecs/service:Service")
class Service(TaggedEcs):
    replaced_by = ("name", "cluster", "launchType")
    updated_by = (
        *_UPDATED, "networkConfiguration", "serviceConnectConfiguration", "capacityProviderStrategies",
        "deploymentCircuitBreaker", "deploymentMinimumHealthyPercent", "deploymentMaximumPercent", "propagateTags",
        "waitForSteadyState", "forceDelete",
    )  # fmt: skip
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        request = {**renamed(inputs, _SERVICE_NAMES), **self._nested(inputs)}
        made = aws("ecs").create_service(**request, tags=lower_tag_list(inputs["tagsAll"]))
        id_ = str(made["service"]["serviceArn"])
        self._steady(aws, id_, inputs)
        return id_

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        names = {name: _SERVICE_NAMES[name] for name in _UPDATED}
        aws("ecs").update_service(cluster=new["cluster"], service=id_, **renamed(new, names), **self._nested(new))
        self._steady(aws, id_, new)

    def _nested(self, inputs: Values) -> Values:
        network = renamed(
            inputs.get("networkConfiguration", {}), {"subnets": "subnets", "securityGroups": "securityGroups"}
        )
        public = "ENABLED" if inputs.get("networkConfiguration", {}).get("assignPublicIp") else "DISABLED"
        found: Values = {"networkConfiguration": {"awsvpcConfiguration": {**network, "assignPublicIp": public}}}
        percents = renamed(
            inputs,
            {"deploymentMinimumHealthyPercent": "minimumHealthyPercent", "deploymentMaximumPercent": "maximumPercent"},
        )
        breaker = inputs.get("deploymentCircuitBreaker")
        found["deploymentConfiguration"] = {**percents, **({"deploymentCircuitBreaker": breaker} if breaker else {})}
        if inputs.get("capacityProviderStrategies"):
            names = {"capacityProvider": "capacityProvider", "weight": "weight"}
            found["capacityProviderStrategy"] = [renamed(item, names) for item in inputs["capacityProviderStrategies"]]
        if inputs.get("serviceConnectConfiguration"):
            found["serviceConnectConfiguration"] = self._connect(inputs["serviceConnectConfiguration"])
        return found

    def _connect(self, given: Values) -> Values:
        offered = []
        for item in given.get("services", []):
            aliases = [renamed(one, {"port": "port", "dnsName": "dnsName"}) for one in item["clientAlias"]]
            names = {"portName": "portName", "discoveryName": "discoveryName"}
            offered.append({**renamed(item, names), "clientAliases": aliases})
        return {
            "enabled": given["enabled"],
            "namespace": given["namespace"],
            **({"services": offered} if offered else {}),
        }

    def _steady(self, aws: Connection, id_: str, inputs: Values) -> None:
        """One deployment, whose tasks run. A circuit breaker that gave up is an error with ECS's own words."""

        def steady() -> bool:
            found = self._found(aws, id_, inputs["cluster"])
            primary: Values = next((item for item in found["deployments"] if item["status"] == "PRIMARY"), {})
            if primary.get("rolloutState") == "FAILED" or primary.get("taskDefinition") != inputs["taskDefinition"]:
                raise RuntimeError(f"tasks failed to start: {primary.get('rolloutStateReason', 'rolled back')}")
            return len(found["deployments"]) == 1 and found["runningCount"] == found["desiredCount"]

        if inputs.get("waitForSteadyState") and aws.runs_tasks:
            wait_until(steady, f"the service {inputs['name']} to be steady")

    def _found(self, aws: Connection, id_: str, cluster: str) -> dict[str, Any]:
        answer = aws("ecs").describe_services(cluster=cluster, services=[id_], include=["TAGS"])
        return next(iter(answer["services"]), {"status": "INACTIVE"})

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = self._found(aws, id_, state["cluster"])
        if found["status"] == "INACTIVE":
            return None
        names = {"name": "serviceName", "desiredCount": "desiredCount", "taskDefinition": "taskDefinition"}
        return {**read_back(found, names), "tagsAll": lower_tag_map(found.get("tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        cluster = state["cluster"]
        aws("ecs").update_service(cluster=cluster, service=id_, desiredCount=0)
        aws("ecs").delete_service(cluster=cluster, service=id_, force=bool(state.get("forceDelete")))
        wait_until(lambda: self._found(aws, id_, cluster)["status"] == "INACTIVE", f"the service {id_} to be deleted")
