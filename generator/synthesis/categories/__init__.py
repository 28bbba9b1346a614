"""One file a category; importing this package's modules registers them."""
