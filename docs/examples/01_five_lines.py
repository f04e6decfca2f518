"""A prompt to a file."""

import dream3d

asset = dream3d.generate("a red mushroom", dream3d.load_config("draft"))
print(asset.warnings, asset.save("mushroom.glb"))
