"""The policy: VLM backbone, LoRA, action head, normalisation, weights and their load report."""
