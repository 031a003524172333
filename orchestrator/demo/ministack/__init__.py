"""The demo on the target `aws`: MiniStack in place of AWS, with a Docker engine and a registry of its own."""
