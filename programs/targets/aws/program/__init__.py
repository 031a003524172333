"""The inline program: one environment as Pulumi resources, a module for each part. Pulumi is imported only here."""
