"""SQS queues, S3 buckets and Secrets Manager."""

from __future__ import annotations

from typing import Any

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import Kind, Values, kind, read_back, removed_keys, renamed, tag_list, tag_map

_QUEUE = {"redrivePolicy": "RedrivePolicy", "sqsManagedSseEnabled": "SqsManagedSseEnabled"}
_BLOCK = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}


@kind("aws:sqs/queue:Queue")
class Queue(Kind):
    replaced_by = ("name", "fifoQueue")
    updated_by = tuple(_QUEUE)
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("sqs").create_queue(
            QueueName=inputs["name"], Attributes=self._attributes(inputs), tags=inputs["tagsAll"]
        )
        return str(made["QueueUrl"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("sqs").untag_queue(QueueUrl=id_, TagKeys=removed)
        aws("sqs").tag_queue(QueueUrl=id_, Tags=new["tagsAll"])
        aws("sqs").set_queue_attributes(QueueUrl=id_, Attributes=self._attributes(new))

    def _attributes(self, inputs: Values) -> dict[str, str]:
        found = renamed(inputs, _QUEUE)
        return {name: str(value).lower() if isinstance(value, bool) else value for name, value in found.items()}

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("sqs").get_queue_attributes(QueueUrl=id_, AttributeNames=["All"])["Attributes"]
        seen = {"url": id_, "name": id_.rsplit("/", 1)[1], "arn": found["QueueArn"]}
        if "RedrivePolicy" in found:
            seen["redrivePolicy"] = found["RedrivePolicy"]
        return {**seen, "tagsAll": aws("sqs").list_queue_tags(QueueUrl=id_).get("Tags", {})}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("sqs").delete_queue(QueueUrl=id_)


@kind("aws:s3/bucket:Bucket")
class Bucket(Kind):
    replaced_by = ("bucket", "bucketPrefix")
    updated_by = ("forceDestroy",)
    name = "bucket"

    def create(self, aws: Connection, inputs: Values) -> str:
        region = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        aws("s3").create_bucket(Bucket=inputs["bucket"], **(region if aws.region != "us-east-1" else {}))
        self.update(aws, inputs["bucket"], {}, inputs)
        return str(inputs["bucket"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        aws("s3").put_bucket_tagging(Bucket=id_, Tagging={"TagSet": tag_list(new["tagsAll"])})

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        aws("s3").head_bucket(Bucket=id_)
        about = tag_map(aws("s3").get_bucket_tagging(Bucket=id_)["TagSet"])
        return {"bucket": id_, "arn": f"arn:aws:s3:::{id_}", "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        if state.get("forceDestroy"):
            for page in aws("s3").get_paginator("list_object_versions").paginate(Bucket=id_):
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    aws("s3").delete_object(Bucket=id_, Key=item["Key"], VersionId=item["VersionId"])
        aws("s3").delete_bucket(Bucket=id_)


@kind("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
class BucketPublicAccessBlock(Kind):
    replaced_by = ("bucket",)
    updated_by = tuple(_BLOCK)

    def create(self, aws: Connection, inputs: Values) -> str:
        self.update(aws, inputs["bucket"], {}, inputs)
        return str(inputs["bucket"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        aws("s3").put_public_access_block(Bucket=id_, PublicAccessBlockConfiguration=renamed(new, _BLOCK))

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("s3").get_public_access_block(Bucket=id_)["PublicAccessBlockConfiguration"]
        return {"bucket": id_, **read_back(found, _BLOCK)}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("s3").delete_public_access_block(Bucket=id_)


@kind("aws:secretsmanager/secret:Secret")
class Secret(Kind):
    replaced_by = ("name", "namePrefix")
    updated_by = ("recoveryWindowInDays", "description")
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("secretsmanager").create_secret(Name=inputs["name"], Tags=tag_list(inputs["tagsAll"]))
        return str(made["ARN"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("secretsmanager").untag_resource(SecretId=id_, TagKeys=removed)
        aws("secretsmanager").tag_resource(SecretId=id_, Tags=tag_list(new["tagsAll"]))

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = aws("secretsmanager").describe_secret(SecretId=id_)
        if found.get("DeletedDate"):
            return None
        return {"arn": found["ARN"], "name": found["Name"], "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        days = state.get("recoveryWindowInDays", 30)
        window: dict[str, Any] = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        aws("secretsmanager").delete_secret(SecretId=id_, **window)


@kind("aws:secretsmanager/secretVersion:SecretVersion")
class SecretVersion(Kind):
    replaced_by = ("secretId", "secretString")
    secret = ("secretString",)

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("secretsmanager").put_secret_value(SecretId=inputs["secretId"], SecretString=inputs["secretString"])
        inputs["versionId"] = made["VersionId"]
        return f"{inputs['secretId']}|{made['VersionId']}"

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        arn, version = id_.split("|")
        aws("secretsmanager").get_secret_value(SecretId=arn, VersionId=version)
        return {"arn": arn, "versionId": version}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        """Versions end with their secret; an older one loses its stage to the new one."""
