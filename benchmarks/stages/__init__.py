"""Each stage compared with the same stage of transformers."""
