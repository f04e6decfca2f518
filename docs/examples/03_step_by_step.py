"""Watch a run: a picture of it every few steps, and an end when somebody has seen enough."""

from pathlib import Path

from PIL import Image

import dream3d

pipeline = dream3d.Pipeline.from_pretrained("props")
run = pipeline.start("a blue chair", dream3d.load_config("draft"))
frames: list[Image.Image] = []
for event in run:
    if event.moment is not None and event.step % 4 == 0:
        frames.append(Image.fromarray(event.moment.preview(azimuth_deg=6.0 * event.step)))
    if Path("enough").exists():  # `touch enough` in another terminal
        run.stop()
if frames:
    frames[0].save("chair.gif", save_all=True, append_images=frames[1:], duration=80)
if run.asset is not None:
    run.asset.save("chair.glb")
