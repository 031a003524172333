"""The target that teams run: one namespace of a Kubernetes cluster per environment.

Everything of an environment is in its namespace, and the namespace carries our marks. Whatever a crash left
half-created is found and removed by label and name, without Pulumi's state. Nothing from a pull request is trusted: an
environment gets a quota, a default-deny network policy, no service account token, and unprivileged pods only. Manifests
from the repository are checked object by object against an allowlist (``manifests``).

Pure functions render every object as the plain data that Kubernetes accepts (``rendering``), and Pulumi's Kubernetes
plugin applies it without waiting. We watch readiness ourselves (``observation``): it's faster, and a failure comes with
its reason in one sentence and the last lines of the log.

``target`` is the entry point. Pulumi is imported in ``kubernetes_program`` and ``v1`` only, so looking is cheap.
"""
