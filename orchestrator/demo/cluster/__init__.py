"""The demo on Kubernetes: cluster, registry and CI. Toolchain scripts import ``oci`` and ``base_images``, which
therefore use only the standard library."""
