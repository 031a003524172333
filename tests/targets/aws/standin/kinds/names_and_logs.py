"""Route 53 records, namespaces in which services find each other, and log groups."""

from __future__ import annotations

from typing import Any

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import Kind, Values, kind, removed_keys, renamed, tag_list, tag_map, wait_until


@kind("aws:route53/record:Record")
class Record(Kind):
    """Texts of a TXT record are quoted by the plugin, not by the program."""

    replaced_by = ("zoneId", "name")
    updated_by = ("type", "ttl", "records", "aliases")

    def create(self, aws: Connection, inputs: Values) -> str:
        self._change(aws, "CREATE", inputs)
        return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}"

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        self._change(aws, "UPSERT", new)

    def _change(self, aws: Connection, action: str, inputs: Values) -> None:
        record = {"Name": inputs["name"], "Type": inputs["type"], **self._content(inputs)}
        changes = [{"Action": action, "ResourceRecordSet": record}]
        aws("route53").change_resource_record_sets(HostedZoneId=inputs["zoneId"], ChangeBatch={"Changes": changes})

    def _content(self, inputs: Values) -> Values:
        if inputs.get("aliases"):
            (alias,) = inputs["aliases"]
            names = {"name": "DNSName", "zoneId": "HostedZoneId", "evaluateTargetHealth": "EvaluateTargetHealth"}
            return {"AliasTarget": renamed(alias, names)}
        quote = '"{}"'.format if inputs["type"] == "TXT" else str
        return {"TTL": inputs["ttl"], "ResourceRecords": [{"Value": quote(value)} for value in inputs["records"]]}

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        pages = aws("route53").get_paginator("list_resource_record_sets").paginate(HostedZoneId=state["zoneId"])
        for item in (item for page in pages for item in page["ResourceRecordSets"]):
            same_name = item["Name"].rstrip(".").replace("\\052", "*") == state["name"]
            if same_name and item["Type"] == state["type"]:
                if "AliasTarget" in item:
                    return {"fqdn": state["name"], "name": state["name"]}
                values = [one["Value"].strip('"') for one in item["ResourceRecords"]]
                return {"fqdn": state["name"], "name": state["name"], "ttl": item["TTL"], "records": values}
        return None

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        self._change(aws, "DELETE", state)


@kind("aws:servicediscovery/httpNamespace:HttpNamespace")
class HttpNamespace(Kind):
    replaced_by = ("name",)
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        client, labels = aws("servicediscovery"), tag_list(inputs["tagsAll"])
        operation = client.create_http_namespace(Name=inputs["name"], Tags=labels)["OperationId"]
        found = self._done(client, operation)
        return str(found["Targets"]["NAMESPACE"])

    def _done(self, client: Any, operation: str) -> Values:
        def done() -> bool:
            state = client.get_operation(OperationId=operation)["Operation"]["Status"]
            if state == "FAIL":
                raise RuntimeError(f"the operation {operation} failed")
            return bool(state == "SUCCESS")

        wait_until(done, f"the operation {operation}")
        return dict(client.get_operation(OperationId=operation)["Operation"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        client, arn = aws("servicediscovery"), old["arn"]
        removed = removed_keys(old, new)
        if removed:
            client.untag_resource(ResourceARN=arn, TagKeys=removed)
        client.tag_resource(ResourceARN=arn, Tags=tag_list(new["tagsAll"]))

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        client = aws("servicediscovery")
        found = client.get_namespace(Id=id_)["Namespace"]
        about = tag_map(client.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"])
        return {"arn": found["Arn"], "name": found["Name"], "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        client = aws("servicediscovery")
        self._done(client, client.delete_namespace(Id=id_)["OperationId"])


@kind("aws:cloudwatch/logGroup:LogGroup")
class LogGroup(Kind):
    replaced_by = ("name",)
    updated_by = ("retentionInDays",)
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        aws("logs").create_log_group(logGroupName=inputs["name"], tags=inputs["tagsAll"])
        self._keep(aws, inputs)
        return str(inputs["name"])

    def _keep(self, aws: Connection, inputs: Values) -> None:
        if inputs.get("retentionInDays"):
            aws("logs").put_retention_policy(logGroupName=inputs["name"], retentionInDays=inputs["retentionInDays"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("logs").untag_resource(resourceArn=old["arn"], tagKeys=removed)
        aws("logs").tag_resource(resourceArn=old["arn"], tags=new["tagsAll"])
        self._keep(aws, new)

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        groups = aws("logs").describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        found = next((item for item in groups if item["logGroupName"] == id_), None)
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        about = aws("logs").list_tags_for_resource(resourceArn=arn)["tags"]
        return {"arn": arn, "name": id_, "retentionInDays": found.get("retentionInDays", 0), "tagsAll": about}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("logs").delete_log_group(logGroupName=id_)
