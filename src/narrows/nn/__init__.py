"""Encoders and decoders for any sample shape."""
