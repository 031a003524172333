"""RDS: instances and their subnet groups. Creating, modifying and deleting an instance takes until it is done."""

from __future__ import annotations

from typing import ClassVar

from botocore.exceptions import ClientError

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import (
    Kind,
    Values,
    is_gone,
    kind,
    read_back,
    removed_keys,
    renamed,
    tag_list,
    tag_map,
    wait_until,
)

_NAMES = {
    "identifier": "DBInstanceIdentifier",
    "engine": "Engine",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "allocatedStorage": "AllocatedStorage",
    "storageType": "StorageType",
    "storageEncrypted": "StorageEncrypted",
    "dbName": "DBName",
    "username": "MasterUsername",
    "password": "MasterUserPassword",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    "publiclyAccessible": "PubliclyAccessible",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "deletionProtection": "DeletionProtection",
}
_UPDATED = (
    "engineVersion", "instanceClass", "allocatedStorage", "storageType", "password", "vpcSecurityGroupIds",
    "publiclyAccessible", "backupRetentionPeriod", "deletionProtection", "dbSubnetGroupName",
)  # fmt: skip
_RESTORED = (
    "identifier", "instanceClass", "storageType", "dbSubnetGroupName", "vpcSecurityGroupIds", "publiclyAccessible",
    "deletionProtection",
)  # fmt: skip
_READ = ("engine", "instanceClass", "allocatedStorage", "storageType", "dbName", "username", "deletionProtection")


class TaggedRds(Kind):
    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("rds").remove_tags_from_resource(ResourceName=old["arn"], TagKeys=removed)
        aws("rds").add_tags_to_resource(ResourceName=old["arn"], Tags=tag_list(new["tagsAll"]))


@kind("aws:rds/instance:Instance")
class Instance(TaggedRds):
    """A changed identifier renames the instance and keeps its data: it doesn't replace it (since 5.0)."""

    replaced_by = ("engine", "dbName", "username", "storageEncrypted", "availabilityZone", "snapshotIdentifier")
    updated_by = (*_UPDATED, "identifier", "applyImmediately", "skipFinalSnapshot", "deleteAutomatedBackups")
    secret = ("password",)
    name = "identifier"

    def create(self, aws: Connection, inputs: Values) -> str:
        if inputs.get("snapshotIdentifier"):
            return self._restore(aws, inputs)
        made = aws("rds").create_db_instance(**renamed(inputs, _NAMES), Tags=tag_list(inputs["tagsAll"]))
        self._available(aws, inputs["identifier"])
        return str(made["DBInstance"].get("DbiResourceId") or inputs["identifier"])

    def _restore(self, aws: Connection, inputs: Values) -> str:
        """Like the official plugin, it then changes what a restore can't set."""
        first = {name: inputs[name] for name in _RESTORED if name in inputs}
        later = {name: inputs[name] for name in ("password", "backupRetentionPeriod", "allocatedStorage")}
        made = aws("rds").restore_db_instance_from_db_snapshot(
            **renamed(first, _NAMES),
            DBSnapshotIdentifier=inputs["snapshotIdentifier"],
            Tags=tag_list(inputs["tagsAll"]),
        )
        self._available(aws, inputs["identifier"])
        aws("rds").modify_db_instance(
            DBInstanceIdentifier=inputs["identifier"], ApplyImmediately=True, **renamed(later, _NAMES)
        )
        self._available(aws, inputs["identifier"])
        return str(made["DBInstance"].get("DbiResourceId") or inputs["identifier"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        changed = {
            name: value for name, value in new.items() if name in _UPDATED and old["__inputs"].get(name) != value
        }
        rename = {"NewDBInstanceIdentifier": new["identifier"]} if old["identifier"] != new["identifier"] else {}
        if changed or rename:
            aws("rds").modify_db_instance(
                DBInstanceIdentifier=old["identifier"], ApplyImmediately=True, **renamed(changed, _NAMES), **rename
            )
            self._available(aws, new["identifier"])

    def _available(self, aws: Connection, identifier: str) -> None:
        wait_until(lambda: self._found(aws, identifier)["DBInstanceStatus"] == "available", f"database {identifier}")

    def _found(self, aws: Connection, identifier: str) -> Values:
        return dict(aws("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = self._found(aws, state["identifier"])
        endpoint = found.get("Endpoint", {})
        return {
            **read_back(found, {name: _NAMES[name] for name in _READ}),
            "identifier": found["DBInstanceIdentifier"],
            "arn": found["DBInstanceArn"],
            "resourceId": found.get("DbiResourceId"),
            "address": endpoint.get("Address"),
            "port": endpoint.get("Port"),
            "endpoint": f"{endpoint.get('Address')}:{endpoint.get('Port')}",
            "tagsAll": tag_map(found.get("TagList", [])),
        }

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        if not state.get("skipFinalSnapshot"):
            raise RuntimeError("finalSnapshotIdentifier is required when skipFinalSnapshot is false")
        identifier = state["identifier"]
        aws("rds").delete_db_instance(
            DBInstanceIdentifier=identifier,
            SkipFinalSnapshot=True,
            DeleteAutomatedBackups=bool(state.get("deleteAutomatedBackups", True)),
        )
        wait_until(lambda: self._is_gone(aws, identifier), f"database {identifier} to be deleted")

    def _is_gone(self, aws: Connection, identifier: str) -> bool:
        try:
            self._found(aws, identifier)
        except ClientError as error:
            if is_gone(error):
                return True
            raise
        return False


@kind("aws:rds/subnetGroup:SubnetGroup")
class SubnetGroup(TaggedRds):
    replaced_by = ("name",)
    updated_by = ("description", "subnetIds")
    name = "name"
    defaults: ClassVar[Values] = {"description": "Managed by Pulumi"}

    def create(self, aws: Connection, inputs: Values) -> str:
        aws("rds").create_db_subnet_group(**self._request(inputs), Tags=tag_list(inputs["tagsAll"]))
        return str(inputs["name"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        aws("rds").modify_db_subnet_group(**self._request(new))

    def _request(self, inputs: Values) -> Values:
        names = {"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription", "subnetIds": "SubnetIds"}
        return renamed(inputs, names)

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("rds").describe_db_subnet_groups(DBSubnetGroupName=id_)["DBSubnetGroups"][0]
        arn = found["DBSubnetGroupArn"]
        about = tag_map(aws("rds").list_tags_for_resource(ResourceName=arn)["TagList"])
        return {"arn": arn, "name": id_, "description": found["DBSubnetGroupDescription"], "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("rds").delete_db_subnet_group(DBSubnetGroupName=id_)
