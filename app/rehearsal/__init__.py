"""Trying things out: the engine on what is, or on a draft, with nothing stored."""
