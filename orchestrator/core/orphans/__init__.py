"""Resources that no stack and no pull request accounts for."""
