"""What the dense surface shows and the reduced mesh lost, as pictures over the mesh's atlas."""
