"""What Eph's role can do, and the most that the roles of environments can have. The how-to shows the same list."""

from __future__ import annotations

from typing import Any

from programs.targets.aws import names

Statement = dict[str, Any]
PERMISSIONS: dict[str, tuple[str, ...]] = {
    "ec2": (
        "Describe*", "CreateTags", "CreateSecurityGroup", "DeleteSecurityGroup", "AuthorizeSecurityGroup*",
        "RevokeSecurityGroup*", "UpdateSecurityGroupRuleDescriptions*",
    ),
    "ecs": (
        "Describe*", "List*", "CreateService", "UpdateService", "DeleteService", "RegisterTaskDefinition",
        "DeregisterTaskDefinition", "DeleteTaskDefinitions", "RunTask", "StopTask", "TagResource", "UntagResource",
    ),
    "elasticloadbalancing": (
        "Describe*", "CreateTargetGroup", "ModifyTargetGroup*", "DeleteTargetGroup", "CreateRule", "ModifyRule",
        "DeleteRule", "AddTags", "RemoveTags",
    ),
    "rds": (
        "Describe*", "ListTagsForResource", "CreateDBInstance", "ModifyDBInstance", "DeleteDBInstance",
        "StartDBInstance", "StopDBInstance", "RestoreDBInstanceFromDBSnapshot", "CreateDBSubnetGroup",
        "ModifyDBSubnetGroup", "DeleteDBSubnetGroup", "AddTagsToResource", "RemoveTagsFromResource",
    ),
    "sqs": (
        "CreateQueue", "DeleteQueue", "GetQueue*", "ListQueue*", "SetQueueAttributes", "TagQueue", "UntagQueue",
    ),
    "secretsmanager": (
        "CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecret",
        "GetResourcePolicy", "TagResource", "UntagResource",
    ),
    "logs": (
        "CreateLogGroup", "DeleteLogGroup", "DescribeLogGroups", "GetLogEvents", "FilterLogEvents",
        "PutRetentionPolicy", "TagResource", "UntagResource", "ListTagsForResource",
    ),
    "servicediscovery": (
        "CreateHttpNamespace", "DeleteNamespace", "Get*", "List*", "TagResource", "UntagResource",
    ),
    "tag": ("GetResources", "TagResources"),
    "ecr": ("GetAuthorizationToken", "BatchGetImage", "GetDownloadUrlForLayer"),
}  # fmt: skip
"""By service. What must be restricted to Eph's own resources is in ``eph_statements``."""
BUCKET_ACTIONS = ("s3:CreateBucket", "s3:DeleteBucket*", "s3:Get*", "s3:List*", "s3:Put*", "s3:DeleteObject*")
_ROLE_ACTIONS = (
    "iam:GetRole", "iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy", "iam:DeleteRolePolicy", "iam:ListAttachedRolePolicies", "iam:DetachRolePolicy",
    "iam:ListInstanceProfilesForRole",
)  # fmt: skip
_BOUNDED_ACTIONS = ("iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary")
_ROLES = "arn:aws:iam::*:role/eph/*"


def eph_statements(boundary: str) -> list[Statement]:
    """Eph can create roles only below /eph/ and only with the boundary, so it can't grant more to anyone, itself
    included."""
    return [
        *(
            {"Effect": "Allow", "Action": [f"{service}:{action}" for action in actions], "Resource": "*"}
            for service, actions in PERMISSIONS.items()
        ),
        {"Effect": "Allow", "Action": list(BUCKET_ACTIONS), "Resource": f"arn:aws:s3:::{names.PREFIX}-*"},
        {"Effect": "Allow", "Action": ["iam:ListRoles"], "Resource": "*"},
        {"Effect": "Allow", "Action": list(_ROLE_ACTIONS), "Resource": _ROLES},
        {
            "Effect": "Allow",
            "Action": list(_BOUNDED_ACTIONS),
            "Resource": _ROLES,
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}},
        },
        {
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": _ROLES,
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        },
    ]


def boundary_statements() -> list[Statement]:
    """What an environment's code and the start of its tasks need, without IAM, networks or instances."""
    actions = [
        "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes", "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
        "secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents",
    ]  # fmt: skip
    pulling = [f"ecr:{action}" for action in (*PERMISSIONS["ecr"], "BatchCheckLayerAvailability")]
    owned = [f"arn:aws:{service}:*:*:{kind}{names.PREFIX}-*" for service, kind in _OWNED.items()]
    return [
        {"Effect": "Allow", "Action": actions, "Resource": owned},
        {"Effect": "Allow", "Action": pulling, "Resource": "*"},
    ]


_OWNED = {"sqs": "", "secretsmanager": "secret:", "logs": "log-group:/eph/"}
