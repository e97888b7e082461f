"""The unified HTTP API: decode, authorise, ask the engine, answer."""
