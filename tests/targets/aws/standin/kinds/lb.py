"""Elastic Load Balancing: load balancers, listeners, host rules, target groups."""

from __future__ import annotations

from typing import Any

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import Kind, Values, kind, removed_keys, renamed, tag_list, tag_map


class TaggedBalancing(Kind):
    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("elbv2").remove_tags(ResourceArns=[id_], TagKeys=removed)
        aws("elbv2").add_tags(ResourceArns=[id_], Tags=tag_list(new["tagsAll"]))


def tags_of(aws: Connection, arn: str) -> dict[str, str]:
    return tag_map(aws("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])


@kind("aws:lb/loadBalancer:LoadBalancer")
class LoadBalancer(TaggedBalancing):
    replaced_by = ("name", "internal", "loadBalancerType")
    updated_by = ("securityGroups", "subnets", "enableDeletionProtection")
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        names = {"name": "Name", "loadBalancerType": "Type", "securityGroups": "SecurityGroups", "subnets": "Subnets"}
        made = aws("elbv2").create_load_balancer(**renamed(inputs, names), Tags=tag_list(inputs["tagsAll"]))
        id_ = str(made["LoadBalancers"][0]["LoadBalancerArn"])
        self._protect(aws, id_, inputs)
        return id_

    def _protect(self, aws: Connection, id_: str, inputs: Values) -> None:
        value = str(bool(inputs.get("enableDeletionProtection"))).lower()
        attribute = {"Key": "deletion_protection.enabled", "Value": value}
        aws("elbv2").modify_load_balancer_attributes(LoadBalancerArn=id_, Attributes=[attribute])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        self._protect(aws, id_, new)
        aws("elbv2").set_security_groups(LoadBalancerArn=id_, SecurityGroups=new["securityGroups"])
        aws("elbv2").set_subnets(LoadBalancerArn=id_, Subnets=new["subnets"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("elbv2").describe_load_balancers(LoadBalancerArns=[id_])["LoadBalancers"][0]
        seen = {"arn": id_, "dnsName": found["DNSName"], "name": found["LoadBalancerName"], "vpcId": found["VpcId"]}
        seen["zoneId"] = found.get("CanonicalHostedZoneId", "")
        return {**seen, "loadBalancerType": found["Type"], "tagsAll": tags_of(aws, id_)}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("elbv2").delete_load_balancer(LoadBalancerArn=id_)


@kind("aws:lb/targetGroup:TargetGroup")
class TargetGroup(TaggedBalancing):
    replaced_by = ("name", "port", "protocol", "targetType", "vpcId")
    updated_by = ("deregistrationDelay", "healthCheck")
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        names = {"name": "Name", "port": "Port", "protocol": "Protocol", "targetType": "TargetType", "vpcId": "VpcId"}
        request = {**renamed(inputs, names), **health_check(inputs)}
        made = aws("elbv2").create_target_group(**request, Tags=tag_list(inputs["tagsAll"]))
        id_ = str(made["TargetGroups"][0]["TargetGroupArn"])
        self._delay(aws, id_, inputs)
        return id_

    def _delay(self, aws: Connection, id_: str, inputs: Values) -> None:
        value = {"Key": "deregistration_delay.timeout_seconds", "Value": str(inputs.get("deregistrationDelay", 300))}
        aws("elbv2").modify_target_group_attributes(TargetGroupArn=id_, Attributes=[value])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        self._delay(aws, id_, new)
        aws("elbv2").modify_target_group(TargetGroupArn=id_, **health_check(new))

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("elbv2").describe_target_groups(TargetGroupArns=[id_])["TargetGroups"][0]
        seen = {"arn": id_, "name": found["TargetGroupName"], "port": found["Port"], "protocol": found["Protocol"]}
        return {**seen, "vpcId": found["VpcId"], "tagsAll": tags_of(aws, id_)}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("elbv2").delete_target_group(TargetGroupArn=id_)


def health_check(inputs: Values) -> Values:
    names = {
        "path": "HealthCheckPath",
        "interval": "HealthCheckIntervalSeconds",
        "healthyThreshold": "HealthyThresholdCount",
    }
    given = inputs.get("healthCheck", {})
    matcher = {"Matcher": {"HttpCode": given["matcher"]}} if "matcher" in given else {}
    return {**renamed(given, names), **matcher}


@kind("aws:lb/listener:Listener")
class Listener(TaggedBalancing):
    replaced_by = ("loadBalancerArn",)
    updated_by = ("port", "protocol", "certificateArn", "sslPolicy", "defaultActions")

    def create(self, aws: Connection, inputs: Values) -> str:
        request = {"LoadBalancerArn": inputs["loadBalancerArn"], **self._request(inputs)}
        made = aws("elbv2").create_listener(**request, Tags=tag_list(inputs["tagsAll"]))
        return str(made["Listeners"][0]["ListenerArn"])

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        aws("elbv2").modify_listener(ListenerArn=id_, **self._request(new))

    def _request(self, inputs: Values) -> Values:
        certificate = inputs.get("certificateArn")
        secure = {"Certificates": [{"CertificateArn": certificate}]} if certificate else {}
        return {
            **renamed(inputs, {"port": "Port", "protocol": "Protocol", "sslPolicy": "SslPolicy"}),
            **secure,
            "DefaultActions": [action(item) for item in inputs["defaultActions"]],
        }

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("elbv2").describe_listeners(ListenerArns=[id_])["Listeners"][0]
        seen = {"arn": id_, "port": found["Port"], "protocol": found["Protocol"]}
        return {**seen, "loadBalancerArn": found["LoadBalancerArn"], "tagsAll": tags_of(aws, id_)}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("elbv2").delete_listener(ListenerArn=id_)


@kind("aws:lb/listenerRule:ListenerRule")
class ListenerRule(TaggedBalancing):
    """Without a priority, the rule gets the next free one of its listener."""

    replaced_by = ("listenerArn",)
    updated_by = ("priority", "actions", "conditions")

    def create(self, aws: Connection, inputs: Values) -> str:
        listener = inputs["listenerArn"]
        priority = inputs.get("priority") or self._next_priority(aws, listener)
        made = aws("elbv2").create_rule(
            ListenerArn=listener, Priority=priority, **self._request(inputs), Tags=tag_list(inputs["tagsAll"])
        )
        return str(made["Rules"][0]["RuleArn"])

    def _next_priority(self, aws: Connection, listener: str) -> int:
        found = aws("elbv2").describe_rules(ListenerArn=listener)["Rules"]
        return max([int(item["Priority"]) for item in found if item["Priority"] != "default"], default=0) + 1

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        aws("elbv2").modify_rule(RuleArn=id_, **self._request(new))

    def _request(self, inputs: Values) -> Values:
        hosts = [item["hostHeader"]["values"] for item in inputs["conditions"]]
        return {
            "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": values}} for values in hosts],
            "Actions": [action(item) for item in inputs["actions"]],
        }

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("elbv2").describe_rules(RuleArns=[id_])["Rules"][0]
        values = [item.get("HostHeaderConfig", item).get("Values") for item in found["Conditions"]]
        conditions = [{"hostHeader": {"values": one}} for one in values]
        return {"arn": id_, "conditions": conditions, "tagsAll": tags_of(aws, id_)}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("elbv2").delete_rule(RuleArn=id_)


def action(given: Values) -> dict[str, Any]:
    fixed = given.get("fixedResponse", {})
    names = {"contentType": "ContentType", "statusCode": "StatusCode", "messageBody": "MessageBody"}
    found = renamed(given, {"type": "Type", "targetGroupArn": "TargetGroupArn"})
    redirect = renamed(given.get("redirect", {}), {"port": "Port", "protocol": "Protocol", "statusCode": "StatusCode"})
    return {
        **found,
        **({"FixedResponseConfig": renamed(fixed, names)} if fixed else {}),
        **({"RedirectConfig": redirect} if redirect else {}),
    }
