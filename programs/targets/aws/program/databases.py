"""RDS for PostgreSQL: an instance for each database, which only the environment's tasks can reach.

Nothing outlives the environment: no final snapshot, no retained backups, no deletion protection.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.spec import DatabaseSpec
from programs.targets.aws import data_sources, names, wording
from programs.targets.aws.program import masking
from programs.targets.aws.program.environment import AwsEnvironment, Part
from programs.targets.aws.program.masking import Mask
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.secret_values import SecretValues
from programs.targets.aws.program.security import SecurityGroups
from programs.targets.aws.v1 import resources

USER = DATABASE = "app"
_OF_THE_SNAPSHOT = ["snapshotIdentifier", "allocatedStorage"]
_INSTANCE_OPTIONS = pulumi.ResourceOptions(
    custom_timeouts=pulumi.CustomTimeouts(create="40m", update="80m", delete="60m"),
    replace_on_changes=["identifier"],  # otherwise the plugin renames the instance, and an earlier seed's data remains
)


class Databases(Part):
    """``urls`` and ``masks`` by the database's name. ``notices``: how old restored data is."""

    def __init__(
        self,
        environment: AwsEnvironment,
        provider: pulumi.ProviderResource,
        network: Network,
        security: SecurityGroups,
        secret_values: SecretValues,
    ) -> None:
        super().__init__("Databases", "databases", provider)
        self._environment, self._security, self._secret_values = environment, security, secret_values
        self.urls: dict[str, Output[str]] = {}
        self.instances: dict[str, pulumi.Resource] = {}
        if any(item.strategy != data_sources.READ_REPLICA for item in environment.spec.databases):
            self._subnets = aws.rds.SubnetGroup(
                "databases",
                name=environment.name(names.OTHER, "databases"),
                subnet_ids=network.subnet_ids,
                opts=self.options(),
            )
        self.masks: dict[str, Mask] = {}
        self.notices: list[Output[str]] = []
        for item in environment.spec.databases:
            self._add(item)
        self.register_outputs({})

    def _add(self, item: DatabaseSpec) -> None:
        match item.strategy:
            case data_sources.READ_REPLICA:
                self._publish(item, Output.from_input(data_sources.replica_url(self._environment.settings, item)))
            case data_sources.SNAPSHOT:
                self._restore(item)
            case _:
                self._create(item)

    def _restore(self, item: DatabaseSpec) -> None:
        """From the newest snapshot when it is created. It isn't restored again when AWS creates a newer one."""
        environment, size = self._environment, self._environment.size
        source, found = (
            data_sources.snapshot_source(environment.settings, item),
            environment.shared.snapshots[item.name],
        )
        identifier = environment.name(names.RDS, item.name, item.strategy, item.source)
        sealed = resources.Password(f"mask-password-{item.name}", {"of": identifier}, self.options())
        password = resources.Password(f"password-{item.name}", {"of": identifier}, self.options())
        instance = aws.rds.Instance(
            f"database-{item.name}",
            identifier=identifier,
            snapshot_identifier=found.id,
            instance_class=size.instance_class,
            allocated_storage=max(size.storage_gb, found.storage_gb),
            password=sealed.value,
            **self._common(),
            opts=pulumi.ResourceOptions.merge(
                self.options(),
                pulumi.ResourceOptions.merge(
                    _INSTANCE_OPTIONS, pulumi.ResourceOptions(ignore_changes=_OF_THE_SNAPSHOT)
                ),
            ),
        )
        taken = found.taken.strftime("%Y-%m-%d %H:%M UTC")
        newest = {"of": identifier, "newest": wording.restored_from(item.name, found.id, taken)}
        self.notices.append(resources.RestoredFrom(f"restored-{item.name}", newest, self.options()).value)
        address = Output.concat("@", instance.endpoint, "/", source.database, "?sslmode=require")
        self.instances[item.name] = instance
        self._publish(item, Output.concat("postgresql://", masking.ROLE, ":", password.value, address))
        values = {
            "MASK_URL": Output.concat("postgresql://", quote(found.user, safe=""), ":", sealed.value, address),
            "MASK_SQL": Output.from_input(source.mask),
            "ROLE_SQL": password.value.apply(masking.role_sql),
        }
        arns = {
            variable: self._secret_values.add_private(f"{variable}-{item.name}".lower(), Output.secret(value))
            for variable, value in values.items()
        }
        digest = hashlib.sha256(source.mask.encode()).hexdigest()
        self.masks[item.name] = Mask(arns, Output.concat(instance.resource_id, "/", digest), instance)

    def _publish(self, item: DatabaseSpec, url: Output[str]) -> None:
        self.urls[item.name] = Output.secret(url)
        self._secret_values.add_value(item.variable, f"database-{item.name}", self.urls[item.name])

    def _common(self) -> dict[str, Any]:
        security_group = self._security.database
        return {
            "storage_type": "gp3",
            "db_subnet_group_name": self._subnets.name,
            "vpc_security_group_ids": [security_group.id] if security_group else [],
            "publicly_accessible": False,
            "backup_retention_period": self._environment.size.backup_days,
            "delete_automated_backups": True,
            "skip_final_snapshot": True,
            "deletion_protection": False,
            "apply_immediately": True,
        }

    def _create(self, item: DatabaseSpec) -> None:
        environment, size = self._environment, self._environment.size
        identifier = environment.name(names.RDS, item.name, *seed_key(item))
        password = resources.Password(f"password-{item.name}", {"of": identifier}, self.options())
        instance = aws.rds.Instance(
            f"database-{item.name}",
            identifier=identifier,
            engine="postgres",
            engine_version=item.version,
            instance_class=size.instance_class,
            allocated_storage=size.storage_gb,
            storage_encrypted=True,
            db_name=DATABASE,
            username=USER,
            password=password.value,
            **self._common(),
            opts=pulumi.ResourceOptions.merge(self.options(), _INSTANCE_OPTIONS),
        )
        url = Output.concat(
            "postgresql://", USER, ":", password.value, "@", instance.endpoint, "/", DATABASE, "?sslmode=require"
        )
        self.instances[item.name] = instance
        self._publish(item, url)


def seed_key(item: DatabaseSpec) -> tuple[str, ...]:
    """A different seed creates a different database, so data of an earlier seed never remains."""
    return (item.strategy, item.seed.run) if item.seed else ()
