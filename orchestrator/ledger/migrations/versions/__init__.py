"""One numbered file per migration; the last number is ``schema_upgrade.HEAD``."""
