"""An utterance through `barkserve up`, compared with transformers."""
