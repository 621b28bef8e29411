"""Each stage beside the same stage of transformers."""
