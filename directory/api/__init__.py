"""The look-up over HTTP: what the whole world may ask."""
