"""IAM: a role that starts tasks and, only if the environment has queues or buckets, one for its code.

Both are limited by the server's permissions boundary. Code without queues and buckets has no AWS credentials at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.targets.aws import names
from programs.targets.aws.program.environment import AwsEnvironment, Part
from programs.targets.aws.program.storage import Storage

Statement = dict[str, Any]
_ECR = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^@:]+)")
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_QUEUE_ACTIONS = ("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")


class Access(Part):
    def __init__(
        self,
        environment: AwsEnvironment,
        provider: pulumi.ProviderResource,
        storage: Storage,
        secret_arns: Sequence[Output[str]],
        log_group_arn: Output[str],
    ) -> None:
        super().__init__("Access", "access", provider)
        self._environment = environment
        self.ready: list[pulumi.Resource] = []
        starting = Output.all(log_group_arn, Output.all(*secret_arns)).apply(
            lambda found: [*_logging(found[0]), *_reading(found[1]), *image_statements(environment)]
        )
        self.execution_role = self._role("execution", starting)
        self.task_role: aws.iam.Role | None = None
        if storage.queue_arns or storage.bucket_arns:
            using = Output.all(Output.all(*storage.queue_arns), Output.all(*storage.bucket_arns)).apply(
                lambda found: [*_queues(found[0]), *_buckets(found[1])]
            )
            self.task_role = self._role("task", using)
        self.register_outputs({})

    def _role(self, name: str, statements: Output[list[Statement]]) -> aws.iam.Role:
        environment = self._environment
        role = aws.iam.Role(
            f"role-{name}",
            name=environment.name(names.IAM_ROLE, name),
            path=names.iam_path(environment.settings.server),
            assume_role_policy=json.dumps(_TRUST),
            permissions_boundary=environment.settings.permissions_boundary or None,
            force_detach_policies=True,
            opts=self.options(),
        )
        policy = statements.apply(lambda found: json.dumps({"Version": "2012-10-17", "Statement": found}))
        self.ready.append(
            aws.iam.RolePolicy(f"role-{name}", name="eph", role=role.id, policy=policy, opts=self.options())
        )
        return role


def _logging(arn: str) -> list[Statement]:
    return [_allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{arn.removesuffix(':*')}:*"])]


def _reading(secret_arns: list[str]) -> list[Statement]:
    return [_allow(["secretsmanager:GetSecretValue"], secret_arns)] if secret_arns else []


def image_statements(environment: AwsEnvironment) -> list[Statement]:
    """Pulling the environment's own images, if they are in ECR (I2)."""
    found = filter(None, map(_ECR.match, environment.spec.images.values()))
    arns = sorted({f"arn:aws:ecr:{one['region']}:{one['account']}:repository/{one['repository']}" for one in found})
    if not arns:
        return []
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return [_allow(["ecr:GetAuthorizationToken"], ["*"]), _allow(actions, arns)]


def _queues(arns: list[str]) -> list[Statement]:
    return [_allow([f"sqs:{action}" for action in _QUEUE_ACTIONS], arns)] if arns else []


def _buckets(arns: list[str]) -> list[Statement]:
    if not arns:
        return []
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    return [_allow(["s3:ListBucket"], arns), _allow(objects, [f"{arn}/*" for arn in arns])]


def _allow(actions: list[str], resources: list[str]) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
