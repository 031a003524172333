"""What an Eph server needs in an AWS account before its first environment (O4): the program behind ``infra/selfhost``.

It creates what all environments then share: the network, the load balancer with a wildcard certificate, the cluster
and the registry; and what Eph itself needs: a role, a permissions boundary, an encrypted bucket for backups.
"""
