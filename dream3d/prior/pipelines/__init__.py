"""Text-to-image pipelines of diffusers as priors: which ones, where their files are, and what they say."""
