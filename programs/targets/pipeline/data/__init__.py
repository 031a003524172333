"""The data of environments: views over shared tables, and copies of what a branch writes. One engine per kind."""
