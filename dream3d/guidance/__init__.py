"""From images to gradients by way of a frozen diffusion prior."""
