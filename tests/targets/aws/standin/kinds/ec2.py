"""EC2: the network."""

from __future__ import annotations

from typing import Any

from tests.targets.aws.standin.connection import Connection
from tests.targets.aws.standin.kind import (
    Kind,
    Values,
    kind,
    removed_keys,
    renamed,
    retried_while_in_use,
    tag_list,
    tag_map,
)

DELETE_SECONDS = 300.0


def created_with(kind_name: str, inputs: Values) -> list[dict[str, Any]]:
    return [{"ResourceType": kind_name, "Tags": tag_list(inputs["tagsAll"])}] if inputs["tagsAll"] else []


class TaggedEc2(Kind):
    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        removed = removed_keys(old, new)
        if removed:
            aws("ec2").delete_tags(Resources=[id_], Tags=[{"Key": key} for key in removed])
        aws("ec2").create_tags(Resources=[id_], Tags=tag_list(new["tagsAll"]))


@kind("aws:ec2/vpc:Vpc")
class Vpc(TaggedEc2):
    replaced_by = ("cidrBlock", "instanceTenancy")
    updated_by = ("enableDnsHostnames", "enableDnsSupport")

    def create(self, aws: Connection, inputs: Values) -> str:
        client = aws("ec2")
        made = client.create_vpc(CidrBlock=inputs["cidrBlock"], TagSpecifications=created_with("vpc", inputs))
        id_ = str(made["Vpc"]["VpcId"])
        self._attributes(aws, id_, inputs)
        return id_

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        self._attributes(aws, id_, new)

    def _attributes(self, aws: Connection, id_: str, inputs: Values) -> None:
        names = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}
        for name, value in renamed(inputs, names).items():
            aws("ec2").modify_vpc_attribute(VpcId=id_, **{name: {"Value": value}})

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("ec2").describe_vpcs(VpcIds=[id_])["Vpcs"][0]
        seen = {
            name[0].lower() + name[1:]: aws("ec2").describe_vpc_attribute(VpcId=id_, Attribute=attribute)[name]["Value"]
            for name, attribute in (
                ("EnableDnsSupport", "enableDnsSupport"),
                ("EnableDnsHostnames", "enableDnsHostnames"),
            )
        }
        return {**seen, "cidrBlock": found["CidrBlock"], "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        retried_while_in_use(lambda: aws("ec2").delete_vpc(VpcId=id_), f"VPC {id_}", DELETE_SECONDS)


@kind("aws:ec2/subnet:Subnet")
class Subnet(TaggedEc2):
    replaced_by = ("vpcId", "cidrBlock", "availabilityZone")
    updated_by = ("mapPublicIpOnLaunch",)

    def create(self, aws: Connection, inputs: Values) -> str:
        names = {"vpcId": "VpcId", "cidrBlock": "CidrBlock", "availabilityZone": "AvailabilityZone"}
        made = aws("ec2").create_subnet(**renamed(inputs, names), TagSpecifications=created_with("subnet", inputs))
        id_ = str(made["Subnet"]["SubnetId"])
        self._public(aws, id_, inputs)
        return id_

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        self._public(aws, id_, new)

    def _public(self, aws: Connection, id_: str, inputs: Values) -> None:
        value = {"Value": bool(inputs.get("mapPublicIpOnLaunch"))}
        aws("ec2").modify_subnet_attribute(SubnetId=id_, MapPublicIpOnLaunch=value)

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("ec2").describe_subnets(SubnetIds=[id_])["Subnets"][0]
        return {
            "vpcId": found["VpcId"],
            "cidrBlock": found["CidrBlock"],
            "availabilityZone": found["AvailabilityZone"],
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "tagsAll": tag_map(found.get("Tags", [])),
        }

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        retried_while_in_use(lambda: aws("ec2").delete_subnet(SubnetId=id_), f"subnet {id_}", DELETE_SECONDS)


@kind("aws:ec2/internetGateway:InternetGateway")
class InternetGateway(TaggedEc2):
    updated_by = ("vpcId",)

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("ec2").create_internet_gateway(TagSpecifications=created_with("internet-gateway", inputs))
        id_ = str(made["InternetGateway"]["InternetGatewayId"])
        aws("ec2").attach_internet_gateway(InternetGatewayId=id_, VpcId=inputs["vpcId"])
        return id_

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        super().update(aws, id_, old, new)
        if old["vpcId"] != new["vpcId"]:
            self._detach(aws, id_)
            aws("ec2").attach_internet_gateway(InternetGatewayId=id_, VpcId=new["vpcId"])

    def _detach(self, aws: Connection, id_: str) -> None:
        for item in self._found(aws, id_)["Attachments"]:
            aws("ec2").detach_internet_gateway(InternetGatewayId=id_, VpcId=item["VpcId"])

    def _found(self, aws: Connection, id_: str) -> Values:
        return dict(aws("ec2").describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"][0])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = self._found(aws, id_)
        attached = [item["VpcId"] for item in found["Attachments"]]
        return {"vpcId": attached[0] if attached else "", "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        self._detach(aws, id_)
        aws("ec2").delete_internet_gateway(InternetGatewayId=id_)


@kind("aws:ec2/routeTable:RouteTable")
class RouteTable(TaggedEc2):
    replaced_by = ("vpcId",)

    def create(self, aws: Connection, inputs: Values) -> str:
        specifications = created_with("route-table", inputs)
        made = aws("ec2").create_route_table(VpcId=inputs["vpcId"], TagSpecifications=specifications)
        return str(made["RouteTable"]["RouteTableId"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = aws("ec2").describe_route_tables(RouteTableIds=[id_])["RouteTables"][0]
        return {"vpcId": found["VpcId"], "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ec2").delete_route_table(RouteTableId=id_)


@kind("aws:ec2/route:Route")
class Route(Kind):
    replaced_by = ("routeTableId", "destinationCidrBlock")
    updated_by = ("gatewayId",)

    def create(self, aws: Connection, inputs: Values) -> str:
        aws("ec2").create_route(**self._request(inputs))
        return f"r-{inputs['routeTableId']}-{inputs['destinationCidrBlock']}"

    def update(self, aws: Connection, id_: str, old: Values, new: Values) -> None:
        aws("ec2").replace_route(**self._request(new))

    def _request(self, inputs: Values) -> Values:
        names = {"routeTableId": "RouteTableId", "destinationCidrBlock": "DestinationCidrBlock"}
        return renamed(inputs, {**names, "gatewayId": "GatewayId"})

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = aws("ec2").describe_route_tables(RouteTableIds=[state["routeTableId"]])["RouteTables"][0]
        for item in found["Routes"]:
            if item.get("DestinationCidrBlock") == state["destinationCidrBlock"]:
                return {"gatewayId": item.get("GatewayId"), "destinationCidrBlock": item["DestinationCidrBlock"]}
        return None

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        table, block = state["routeTableId"], state["destinationCidrBlock"]
        aws("ec2").delete_route(RouteTableId=table, DestinationCidrBlock=block)


@kind("aws:ec2/routeTableAssociation:RouteTableAssociation")
class RouteTableAssociation(Kind):
    replaced_by = ("subnetId", "gatewayId")
    updated_by = ("routeTableId",)

    def create(self, aws: Connection, inputs: Values) -> str:
        made = aws("ec2").associate_route_table(RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"])
        return str(made["AssociationId"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        found = aws("ec2").describe_route_tables(RouteTableIds=[state["routeTableId"]])["RouteTables"][0]
        for item in found["Associations"]:
            if item["RouteTableAssociationId"] == id_:
                return {"routeTableId": found["RouteTableId"], "subnetId": item.get("SubnetId")}
        return None

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        aws("ec2").disassociate_route_table(AssociationId=id_)


@kind("aws:ec2/securityGroup:SecurityGroup")
class SecurityGroup(TaggedEc2):
    """A new group lets everything out. The official plugin revokes that, because the inputs don't ask for it."""

    replaced_by = ("name", "description", "vpcId")
    name = "name"

    def create(self, aws: Connection, inputs: Values) -> str:
        names = {"name": "GroupName", "description": "Description", "vpcId": "VpcId"}
        specifications = created_with("security-group", inputs)
        made = aws("ec2").create_security_group(**renamed(inputs, names), TagSpecifications=specifications)
        id_ = str(made["GroupId"])
        rules = self._found(aws, id_)["IpPermissionsEgress"]
        if rules:
            aws("ec2").revoke_security_group_egress(GroupId=id_, IpPermissions=rules)
        return id_

    def _found(self, aws: Connection, id_: str) -> Values:
        return dict(aws("ec2").describe_security_groups(GroupIds=[id_])["SecurityGroups"][0])

    def read(self, aws: Connection, id_: str, state: Values) -> Values:
        found = self._found(aws, id_)
        seen = {"name": found["GroupName"], "description": found["Description"], "vpcId": found["VpcId"]}
        return {**seen, "tagsAll": tag_map(found.get("Tags", []))}

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        retried_while_in_use(lambda: aws("ec2").delete_security_group(GroupId=id_), f"group {id_}", DELETE_SECONDS)


class SecurityGroupRule(TaggedEc2):
    replaced_by = ("securityGroupId",)
    updated_by = ("ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedSecurityGroupId", "description")
    direction = ""

    def create(self, aws: Connection, inputs: Values) -> str:
        rule = renamed(inputs, {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort"})
        if inputs.get("cidrIpv4"):
            rule["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"]}]
        if inputs.get("referencedSecurityGroupId"):
            rule["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"]}]
        authorize = getattr(aws("ec2"), f"authorize_security_group_{self.direction}")
        specifications = created_with("security-group-rule", inputs)
        made = authorize(GroupId=inputs["securityGroupId"], IpPermissions=[rule], TagSpecifications=specifications)
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, aws: Connection, id_: str, state: Values) -> Values | None:
        groups = [{"Name": "group-id", "Values": [state["securityGroupId"]]}]
        found = aws("ec2").describe_security_group_rules(Filters=groups)["SecurityGroupRules"]
        for item in found:
            if item["SecurityGroupRuleId"] == id_:
                seen = {"ipProtocol": item["IpProtocol"], "securityGroupId": item["GroupId"]}
                return {**seen, "tagsAll": tag_map(item.get("Tags", []))} if item.get("Tags") else seen
        return None

    def delete(self, aws: Connection, id_: str, state: Values) -> None:
        revoke = getattr(aws("ec2"), f"revoke_security_group_{self.direction}")
        revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[id_])


@kind("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
class SecurityGroupIngressRule(SecurityGroupRule):
    direction = "ingress"


@kind("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
class SecurityGroupEgressRule(SecurityGroupRule):
    direction = "egress"
