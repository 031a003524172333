"""The demo on the target `aws`: MiniStack in place of AWS, with its own Docker engine and registry."""
