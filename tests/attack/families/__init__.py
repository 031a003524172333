"""The attacks, a module for each place where they are tried."""
