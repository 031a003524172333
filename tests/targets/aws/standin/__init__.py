"""A stand-in for Pulumi's AWS plugin, for tests on machines that can't install the official one.

``python -m tests.targets.aws.standin`` speaks the plugin protocol, so the real Pulumi engine drives the real program
through it. It carries out each resource type that the program uses by calling a stand-in for AWS, and nothing else: a
service without an endpoint is refused, so it can never reach AWS.

Strict where the SDK knows the answer: inputs, their types and which are required come from pulumi-aws's own classes,
also in nested values. The SDK doesn't know which changes replace a resource; each type states that, from the
documentation of the Terraform provider that the official plugin wraps. A changed input that a type says nothing about
is an error, not a guess. ``kinds`` has a module per service.
"""
