"""Stories and properties of the pure plan."""
