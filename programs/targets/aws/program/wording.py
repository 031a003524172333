"""What people read in AWS's console about resources, and what visitors read from a load balancer."""

from __future__ import annotations

# AWS can't change a security group's description, so another text here replaces the group.
TASKS_GROUP = "Tasks of the environment"
DATABASES_GROUP = "Databases of the environment"
LOAD_BALANCER_GROUP = "Load balancer of the environment"
NO_SUCH_PREVIEW = "No such preview."
