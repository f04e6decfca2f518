"""One asset, several files: settings, levels of detail, formats."""

from dataclasses import replace

import dream3d

settings = dream3d.load_config("draft")
settings = replace(settings, seed=7, extract=replace(settings.extract, target_faces=1200))
asset = dream3d.generate("a wooden barrel", settings)

asset.save("barrel.glb", height=0.9, lods=3)
asset.save("barrel-plain.obj", height=0.9)
print(len(asset.mesh.faces), "faces, made in", round(asset.metrics["seconds"], 1), "s")
