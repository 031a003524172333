"""Git hosts behind one port, one folder per adapter. Everything that people write there is untrusted."""
