"""The target that teams run: one namespace of a Kubernetes cluster for each environment.

Theory. Everything of an environment lies in its namespace, and the namespace carries our marks; so what a crash left
half-made is found and removed by label and by name, without Pulumi's state. Nothing of a pull request is trusted: it
gets a quota, a default-deny network, no token of the cluster, and pods that may not be privileged; what it brings as
manifests is judged object by object against a list of what is allowed (``manifests``).

Every object is rendered by a pure function as the plain data that Kubernetes takes (``objects``), and applied by
Pulumi's own plugin without its waiting. Whether a workload became ready is found out by us (``watching``): faster, and
with the reason in one sentence and the last lines of the log when it did not.

``target`` is the door. Pulumi is imported in ``environment`` and ``v1`` only, so that looking costs little.
"""
