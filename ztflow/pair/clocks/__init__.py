"""How far each node's clock is off, estimated from pairs."""
