"""From what is optimised to images: volume and surface rendering, shading. No parameters live here."""
