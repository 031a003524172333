"""The network: the operator's subnets, or a VPC with two public subnets.

There is no NAT gateway, which would cost more than everything else together. Tasks have public addresses for outgoing
connections; security groups decide what can reach them.
"""

from __future__ import annotations

import ipaddress

import pulumi
import pulumi_aws as aws
from pulumi import Output

from programs.targets.aws.program.environment import AwsEnvironment, Part
from programs.targets.aws.settings import split_list

VPC_CIDR = "10.0.0.0/16"
_SUBNET_BITS = 20


class Network(Part):
    vpc_id: Output[str]
    subnet_ids: Output[list[str]]

    def __init__(self, environment: AwsEnvironment, provider: pulumi.ProviderResource) -> None:
        super().__init__("Network", "network", provider)
        subnets = split_list(environment.settings.subnets)
        self.ready: list[pulumi.Resource] = []
        if subnets:
            self.vpc_id = Output.from_input(environment.shared.vpc_id)
            self.subnet_ids = Output.from_input(list(subnets))
        else:
            self._create(environment)
        self.register_outputs({})

    def _create(self, environment: AwsEnvironment) -> None:
        name = environment.spec.name
        options = self.options()
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=VPC_CIDR,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=options,
        )
        gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, tags={"Name": name}, opts=options)
        table = aws.ec2.RouteTable("routes", vpc_id=vpc.id, tags={"Name": name}, opts=options)
        way_out = aws.ec2.Route(
            "internet", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=options
        )
        blocks = ipaddress.ip_network(VPC_CIDR).subnets(new_prefix=_SUBNET_BITS)
        subnets, associations = [], []
        for number, (zone, block) in enumerate(zip(environment.shared.zones, blocks, strict=False), 1):
            subnet = aws.ec2.Subnet(
                f"subnet-{number}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=str(block),
                map_public_ip_on_launch=True,
                tags={"Name": f"{name}-{number}"},
                opts=options,
            )
            associations.append(
                aws.ec2.RouteTableAssociation(
                    f"subnet-{number}", subnet_id=subnet.id, route_table_id=table.id, opts=options
                )
            )
            subnets.append(subnet)
        self.vpc_id = vpc.id
        self.subnet_ids = Output.all(*(subnet.id for subnet in subnets))
        self.ready = [way_out, *associations]
