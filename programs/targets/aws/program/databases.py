"""RDS for PostgreSQL: an instance for each database, which only the environment's tasks can reach.

Nothing of it outlives the environment: no final snapshot, no retained backups, no deletion protection.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.spec import DatabaseSpec
from programs.targets.aws import names
from programs.targets.aws.program.environment import AwsEnvironment, Part
from programs.targets.aws.program.network import Network
from programs.targets.aws.program.secret_values import SecretValues
from programs.targets.aws.program.security import SecurityGroups
from programs.targets.aws.v1 import resources

USER = DATABASE = "app"
_INSTANCE_OPTIONS = pulumi.ResourceOptions(
    custom_timeouts=pulumi.CustomTimeouts(create="40m", update="80m", delete="60m"),
    replace_on_changes=["identifier"],  # otherwise the plugin renames the instance, and an earlier seed's data remains
)


class Databases(Part):
    """``urls`` by the database's name; ``secret_arns`` by the variable that receives it."""

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
        if environment.spec.databases:
            self._subnets = aws.rds.SubnetGroup(
                "databases",
                name=environment.name(names.OTHER, "databases"),
                subnet_ids=network.subnet_ids,
                opts=self.options(),
            )
        for item in environment.spec.databases:
            self._create(item)
        self.register_outputs({})

    def _create(self, item: DatabaseSpec) -> None:
        environment, size = self._environment, self._environment.size
        identifier = environment.name(names.RDS, item.name, *seed_key(item))
        password = resources.Password(f"password-{item.name}", {"of": identifier}, self.options())
        security_group = self._security.database
        instance = aws.rds.Instance(
            f"database-{item.name}",
            identifier=identifier,
            engine="postgres",
            engine_version=item.version,
            instance_class=size.instance_class,
            allocated_storage=size.storage_gb,
            storage_type="gp3",
            storage_encrypted=True,
            db_name=DATABASE,
            username=USER,
            password=password.value,
            db_subnet_group_name=self._subnets.name,
            vpc_security_group_ids=[security_group.id] if security_group else [],
            publicly_accessible=False,
            backup_retention_period=size.backup_days,
            delete_automated_backups=True,
            skip_final_snapshot=True,
            deletion_protection=False,
            apply_immediately=True,
            opts=pulumi.ResourceOptions.merge(self.options(), _INSTANCE_OPTIONS),
        )
        url = Output.concat(
            "postgresql://", USER, ":", password.value, "@", instance.endpoint, "/", DATABASE, "?sslmode=require"
        )
        self.urls[item.name] = Output.secret(url)
        self.instances[item.name] = instance
        self._secret_values.add_value(item.variable, f"database-{item.name}", self.urls[item.name])


def seed_key(item: DatabaseSpec) -> tuple[str, ...]:
    """Another seed means another database, so that data of an earlier seed never remains."""
    return (item.strategy, item.seed.run) if item.seed else ()
