"""Creates the namespace of an environment and the objects in it, and waits for them."""

from __future__ import annotations

from importlib import metadata

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import Resource, ResourceOptions

from programs.targets.kubernetes.manifests import rewriting
from programs.targets.kubernetes.program import surroundings
from programs.targets.kubernetes.program.environment import KubernetesEnvironment
from programs.targets.kubernetes.rendering import namespace_objects
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.v1 import resources

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
DELETE_TIMEOUT = "10m"


class AppliedObject(pulumi.CustomResource):
    """An object of any kind, managed by Pulumi's Kubernetes plugin. The SDK has a class for each kind; here objects are
    plain data, and the plugin needs only the name of the type."""

    def __init__(self, title: str, data: Data, opts: ResourceOptions) -> None:
        version = data["apiVersion"]
        token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{data['kind']}"
        own = ResourceOptions(version=metadata.version("pulumi-kubernetes"))
        super().__init__(token, title, dict(data), ResourceOptions.merge(opts, own))


class ResourceGroup(pulumi.ComponentResource):
    """Groups objects in the tree of resources, by service or database."""

    def __init__(self, kind: str, name: str, parent: Resource | None = None) -> None:
        super().__init__(f"eph:kubernetes:{kind}", name, {}, ResourceOptions(parent=parent))


class ResourceBuilder:
    """Creates the namespace and its surroundings when it is constructed, and everything else on request."""

    def __init__(self, environment: KubernetesEnvironment) -> None:
        self.environment = environment
        settings = environment.settings
        self.provider = kubernetes.Provider(
            "cluster",
            kubeconfig=settings.kubeconfig or None,
            context=settings.context or None,
            cluster_identifier="eph",  # another kubeconfig still means the same cluster
        )
        part = ResourceGroup("Surroundings", "surroundings")
        self.namespace = self._create_namespace(part)
        self.namespace_parts = [self.apply(data, part) for data in surroundings.objects(environment)]

    def _create_namespace(self, part: Resource) -> Resource:
        mark = resources.Mark("mark", surroundings.mark(self.environment))
        options = ResourceOptions(
            parent=part,
            provider=self.provider,
            custom_timeouts=pulumi.CustomTimeouts(delete=DELETE_TIMEOUT),
            depends_on=[mark],
        )
        home = namespace_objects.namespace(self.environment.spec, self.environment.settings)
        home["metadata"]["annotations"] |= SKIP_AWAIT  # the purge after a destroy waits, and reports what blocks it
        return AppliedObject("namespace", home, options)

    def apply(self, data: Data, part: Resource, after: list[Resource] | None = None) -> Resource:
        """Creates an object in the namespace. Its name in Pulumi is its kind and name, so an error shows both."""
        about = dict(data["metadata"])
        about["namespace"] = self.environment.namespace
        about["labels"] = {**about.get("labels", {}), **self.environment.labels}
        about["annotations"] = {**about.get("annotations", {}), **SKIP_AWAIT}
        title = f"{data['kind'].lower()}-{about['name']}"
        return AppliedObject(
            title,
            {**data, "metadata": about},
            ResourceOptions(
                parent=part,
                provider=self.provider,
                depends_on=[self.namespace, *(after or [])],
                deleted_with=self.namespace,
            ),
        )

    def wait_until_ready(
        self, made: Resource, data: Data, title: str, seconds: int, *, stopped: bool = False
    ) -> Resource:
        """Waits again if the object was recreated under its name, because it then has another uid. ``stopped``: it may
        stay without pods."""
        kind, name = data["kind"], data["metadata"]["name"]
        props = {
            "uid": made.__dict__["metadata"].apply(lambda about: about.get("uid", "")),
            "namespace": self.environment.namespace,
            "kind": kind,
            "name": name,
            "title": title,
            "seconds": seconds,
            "images": {item["name"]: item["image"] for item in rewriting.containers(data)},
            "generation": self.environment.generation,
            "stopped": stopped,
            "on": self.environment.cluster_settings(),
        }
        return resources.Ready(f"{kind.lower()}-{name}", props, ResourceOptions(depends_on=[made]))
