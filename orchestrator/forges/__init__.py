"""Git hosts behind one port, one folder per adapter. Everything a person wrote there is untrusted."""
