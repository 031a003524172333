"""What only an account's foundation has: zone, certificate, registry, key, and rights of Eph itself."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import Kind, Values, kind, tag_list, tag_map, wait_until


class Unchanging(Kind):
    """No test changes one, so a change of it is refused."""


@kind("aws:route53/zone:Zone")
class Zone(Unchanging):
    replaced_by = ("name",)

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("route53").create_hosted_zone(Name=inputs["name"], CallerReference=inputs["name"])
        id_ = str(made["HostedZone"]["Id"].rpartition("/")[2])
        labels = tag_list(inputs["tagsAll"])
        aws("route53").change_tags_for_resource(ResourceType="hostedzone", ResourceId=id_, AddTags=labels)
        return id_

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("route53").get_hosted_zone(Id=id_)
        about = aws("route53").list_tags_for_resource(ResourceType="hostedzone", ResourceId=id_)["ResourceTagSet"]
        seen = {"zoneId": id_, "name": found["HostedZone"]["Name"].rstrip(".")}
        return {**seen, "nameServers": found["DelegationSet"]["NameServers"], "tagsAll": tag_map(about["Tags"])}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("route53").delete_hosted_zone(Id=id_)


@kind("aws:acm/certificate:Certificate")
class Certificate(Unchanging):
    replaced_by = ("domainName", "validationMethod")

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("acm").request_certificate(
            DomainName=inputs["domainName"],
            ValidationMethod=inputs["validationMethod"],
            Tags=tag_list(inputs["tagsAll"]),
        )
        return str(made["CertificateArn"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("acm").describe_certificate(CertificateArn=id_)["Certificate"]
        records = [item["ResourceRecord"] for item in found["DomainValidationOptions"]]
        options = [
            {f"resourceRecord{name}": record[name].rstrip(".") for name in ("Name", "Type", "Value")}
            for record in records
        ]
        about = tag_map(aws("acm").list_tags_for_certificate(CertificateArn=id_)["Tags"])
        return {"arn": id_, "domainName": found["DomainName"], "domainValidationOptions": options, "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("acm").delete_certificate(CertificateArn=id_)


@kind("aws:acm/certificateValidation:CertificateValidation")
class CertificateValidation(Unchanging):
    replaced_by = ("certificateArn", "validationRecordFqdns")

    def create(self, aws: Connection, inputs: Values) -> str:
        arn = inputs["certificateArn"]
        wait_until(lambda: self._status(aws, arn) == "ISSUED", f"the certificate {arn} to be issued")
        return str(arn)

    def _status(self, aws: Connection, arn: str) -> str:
        return str(aws("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Status"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        return {"certificateArn": id_} if self._status(aws, id_) == "ISSUED" else None

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        """It's an observation, nothing that exists."""


@kind("aws:ecr/repository:Repository")
class Repository(Unchanging):
    replaced_by = ("name",)

    def create(self, aws: Connection, inputs: Values) -> str:
        scanning = {"scanOnPush": inputs["imageScanningConfiguration"]["scanOnPush"]}
        labels = tag_list(inputs["tagsAll"])
        aws("ecr").create_repository(repositoryName=inputs["name"], imageScanningConfiguration=scanning, tags=labels)
        return str(inputs["name"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("ecr").describe_repositories(repositoryNames=[id_])["repositories"][0]
        about = tag_map(aws("ecr").list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"])
        seen = {"arn": found["repositoryArn"], "name": id_, "repositoryUrl": found["repositoryUri"]}
        return {**seen, "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ecr").delete_repository(repositoryName=id_, force=bool(state.get("forceDelete")))


@kind("aws:ecr/lifecyclePolicy:LifecyclePolicy")
class LifecyclePolicy(Unchanging):
    replaced_by = ("repository",)

    def create(self, aws: Connection, inputs: Values) -> str:
        aws("ecr").put_lifecycle_policy(repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"])
        return str(inputs["repository"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("ecr").get_lifecycle_policy(repositoryName=id_)
        return {"repository": id_, "policy": found["lifecyclePolicyText"]}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ecr").delete_lifecycle_policy(repositoryName=id_)


@kind("aws:kms/key:Key")
class Key(Unchanging):
    def create(self, aws: Connection, inputs: Values) -> str:
        labels = [{"TagKey": key, "TagValue": value} for key, value in inputs["tagsAll"].items()]
        made = aws("kms").create_key(Description=inputs["description"], Tags=labels)
        id_ = str(made["KeyMetadata"]["KeyId"])
        if inputs.get("enableKeyRotation"):
            aws("kms").enable_key_rotation(KeyId=id_)
        return id_

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("kms").describe_key(KeyId=id_)["KeyMetadata"]
        labels = aws("kms").list_resource_tags(KeyId=id_)["Tags"]
        rotates = aws("kms").get_key_rotation_status(KeyId=id_)["KeyRotationEnabled"]
        about = {item["TagKey"]: item["TagValue"] for item in labels}
        return {"arn": found["Arn"], "keyId": id_, "enableKeyRotation": rotates, "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("kms").schedule_key_deletion(KeyId=id_, PendingWindowInDays=int(state["deletionWindowInDays"]))


class OfBucket(Unchanging):
    replaced_by = ("bucket",)

    def create(self, aws: Connection, inputs: Values) -> str:
        self.put(aws("s3"), inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def put(self, s3: Any, bucket: str, inputs: Values) -> None:
        raise NotImplementedError

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        """It ends with its bucket, which the foundation keeps."""


@kind("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
class BucketEncryption(OfBucket):
    def put(self, s3: Any, bucket: str, inputs: Values) -> None:
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": {
                    "SSEAlgorithm": item["applyServerSideEncryptionByDefault"]["sseAlgorithm"],
                    "KMSMasterKeyID": item["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"],
                },
                "BucketKeyEnabled": item["bucketKeyEnabled"],
            }
            for item in inputs["rules"]
        ]
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        aws("s3").get_bucket_encryption(Bucket=id_)
        return {"bucket": id_}


@kind("aws:s3/bucketVersioning:BucketVersioning")
class BucketVersioning(OfBucket):
    def put(self, s3: Any, bucket: str, inputs: Values) -> None:
        status = {"Status": inputs["versioningConfiguration"]["status"]}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=status)

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("s3").get_bucket_versioning(Bucket=id_)
        return {"bucket": id_, "versioningConfiguration": {"status": found["Status"]}}


@kind("aws:iam/policy:Policy")
class Policy(Unchanging):
    replaced_by = ("name",)

    def create(self, aws: Connection, inputs: Values) -> str:
        labels = tag_list(inputs["tagsAll"])
        made = aws("iam").create_policy(
            PolicyName=inputs["name"], PolicyDocument=inputs["policy"], Description=inputs["description"], Tags=labels
        )
        return str(made["Policy"]["Arn"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("iam").get_policy(PolicyArn=id_)["Policy"]
        version = aws("iam").get_policy_version(PolicyArn=id_, VersionId=found["DefaultVersionId"])["PolicyVersion"]
        document = version["Document"]
        text = json.dumps(document) if isinstance(document, dict) else unquote(document)
        return {"arn": id_, "name": found["PolicyName"], "policy": text, "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("iam").delete_policy(PolicyArn=id_)


@kind("aws:iam/instanceProfile:InstanceProfile")
class InstanceProfile(Unchanging):
    replaced_by = ("name", "role")

    def create(self, aws: Connection, inputs: Values) -> str:
        labels = tag_list(inputs["tagsAll"])
        aws("iam").create_instance_profile(InstanceProfileName=inputs["name"], Tags=labels)
        aws("iam").add_role_to_instance_profile(InstanceProfileName=inputs["name"], RoleName=inputs["role"])
        return str(inputs["name"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("iam").get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]
        roles = [item["RoleName"] for item in found["Roles"]]
        about = tag_map(found.get("Tags", []))
        return {"arn": found["Arn"], "name": id_, "role": roles[0] if roles else "", "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        for role in aws("iam").get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]["Roles"]:
            aws("iam").remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=role["RoleName"])
        aws("iam").delete_instance_profile(InstanceProfileName=id_)
