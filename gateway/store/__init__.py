"""The journal: what was promised, what was sent, what was seen. The only state that must be true."""
