"""Git hosts behind one port. PyGithub is imported in ``forge.github`` only; everything a person wrote is untrusted."""
