"""The demo on the target `compose`: a container engine of its own if none runs, and the shop's base images."""
