"""Queues, each with a dead-letter queue, and private buckets that are emptied when they are deleted."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.targets.aws import names
from programs.targets.aws.program.environment import AwsEnvironment, Part

MAX_RECEIVES = 5


class Storage(Part):
    """``variables`` for containers. ``queue_arns`` and ``bucket_arns`` are what the tasks' role can use."""

    def __init__(self, environment: AwsEnvironment, provider: pulumi.ProviderResource) -> None:
        super().__init__("Storage", "storage", provider)
        self._environment = environment
        self.variables: dict[str, Output[str]] = {}
        self.queue_arns: list[Output[str]] = []
        self.bucket_arns: list[Output[str]] = []
        for name in environment.queues:
            self._queue(name)
        for name in environment.buckets:
            self._bucket(name)
        self.register_outputs({})

    def _queue(self, name: str) -> None:
        dead = self._plain_queue(name, "dead")
        policy = dead.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}))
        queue = aws.sqs.Queue(
            f"queue-{name}",
            name=self._environment.name(names.QUEUE, name),
            redrive_policy=policy,
            sqs_managed_sse_enabled=True,
            opts=self.options(),
        )
        self.variables[f"{_variable(name)}_QUEUE_URL"] = queue.url
        self.queue_arns += [queue.arn, dead.arn]

    def _plain_queue(self, name: str, suffix: str) -> aws.sqs.Queue:
        return aws.sqs.Queue(
            f"queue-{name}-{suffix}",
            name=self._environment.name(names.QUEUE, name, suffix),
            sqs_managed_sse_enabled=True,
            opts=self.options(),
        )

    def _bucket(self, name: str) -> None:
        bucket = aws.s3.Bucket(
            f"bucket-{name}",
            bucket=self._environment.name(names.BUCKET, name),
            force_destroy=True,
            opts=self.options(),
        )
        aws.s3.BucketPublicAccessBlock(
            f"bucket-{name}",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.options(),
        )
        self.variables[f"{_variable(name)}_BUCKET"] = bucket.id
        self.bucket_arns.append(bucket.arn)


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
