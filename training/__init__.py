"""How the embedded voice bark-mini is made, from nothing but Debian packages."""
