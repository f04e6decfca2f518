"""A grey box in, a painted chest out: triangles, size and place stay."""

import trimesh

import dream3d

body = trimesh.creation.box(extents=(0.8, 0.4, 0.5)).apply_translation((0, 0.2, 0))
lid = trimesh.creation.box(extents=(0.84, 0.16, 0.54)).apply_translation((0, 0.48, 0))
trimesh.util.concatenate([body, lid]).export("grey-box.obj")

model = dream3d.load_model("grey-box.obj")
# 20 steps are a first look; leave `paint` out for 200.
chest = dream3d.refine(model, "a wooden chest", paint=dream3d.PaintConfig(num_steps=20))
assert len(chest.mesh.faces) == len(model.mesh.faces)
chest.save("chest.glb")
