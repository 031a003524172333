"""``eph self-install`` on Kubernetes: the chart of infra/helm, whose objects Pulumi applies (O4)."""
