"""IAM roles and their inline policies."""

from __future__ import annotations

import json
from urllib.parse import unquote

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import Kind, Values, kind, removed_keys, renamed, tag_list, tag_map


@kind("aws:iam/role:Role")
class Role(Kind):
    replaced_by = ("name", "path")
    updated_by = ("assumeRolePolicy", "permissionsBoundary", "forceDetachPolicies")
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        names = {
            "name": "RoleName",
            "path": "Path",
            "assumeRolePolicy": "AssumeRolePolicyDocument",
            "permissionsBoundary": "PermissionsBoundary",
        }
        aws("iam").create_role(**renamed(inputs, names), Tags=tag_list(inputs["tagsAll"]))
        return str(inputs["name"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        client, removed = aws("iam"), removed_keys(old, new)
        if removed:
            client.untag_role(RoleName=id_, TagKeys=removed)
        client.tag_role(RoleName=id_, Tags=tag_list(new["tagsAll"]))
        client.update_assume_role_policy(RoleName=id_, PolicyDocument=new["assumeRolePolicy"])
        if new.get("permissionsBoundary"):
            client.put_role_permissions_boundary(RoleName=id_, PermissionsBoundary=new["permissionsBoundary"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("iam").get_role(RoleName=id_)["Role"]
        about = tag_map(aws("iam").list_role_tags(RoleName=id_)["Tags"])
        return {"arn": found["Arn"], "name": found["RoleName"], "path": found["Path"], "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        if state.get("forceDetachPolicies"):
            for name in aws("iam").list_role_policies(RoleName=id_)["PolicyNames"]:
                aws("iam").delete_role_policy(RoleName=id_, PolicyName=name)
        aws("iam").delete_role(RoleName=id_)


@kind("aws:iam/rolePolicy:RolePolicy")
class RolePolicy(Kind):
    replaced_by = ("name", "role")
    updated_by = ("policy",)
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        self.update(aws, "", {}, inputs)
        return f"{inputs['role']}:{inputs['name']}"

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        aws("iam").put_role_policy(RoleName=new["role"], PolicyName=new["name"], PolicyDocument=new["policy"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        role, name = id_.split(":")
        found = aws("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        text = unquote(found) if isinstance(found, str) else json.dumps(found)
        return {"role": role, "name": name, "policy": text}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        role, name = id_.split(":")
        aws("iam").delete_role_policy(RoleName=role, PolicyName=name)
