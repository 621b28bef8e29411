"""How far 16-bit models are from float32, stage by stage."""
