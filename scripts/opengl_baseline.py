"""A mesh with a color per vertex, drawn by OpenGL without a window: the baseline of `bench_rasterizer.py`.

`pyrender` as its users call it, with four samples per pixel, and the driver alone, with one. The positions
stay on the OpenGL side: a mesh that changes would have to be sent again for each picture.
"""

import os
from importlib import import_module
from typing import Any

import numpy as np

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

VERTEX_SHADER = """#version 410
layout(location = 0) in vec4 position;
layout(location = 1) in vec3 vertex_color;
out vec3 color;
void main() { gl_Position = position; color = vertex_color; }"""
FRAGMENT_SHADER = """#version 410
in vec3 color;
out vec4 pixel;
void main() { pixel = vec4(color, 1.0); }"""


class OpenGLBaseline:
    """One mesh in an OpenGL context of its own. Raises ImportError without pyrender."""

    def __init__(
        self,
        points: np.ndarray,  # [V, 3] float32, camera space
        clip: np.ndarray,  # [V, 4] float32
        faces: np.ndarray,  # [T, 3] int32
        colors: np.ndarray,  # [V, 3] float32
        projection: tuple[float, float, float],  # field of view in radians, near, far
        size: int,
    ) -> None:
        pyrender: Any = import_module("pyrender")
        self._gl: Any = import_module("OpenGL.GL")
        self.size, self._num_indices = size, faces.size
        self._renderer = pyrender.OffscreenRenderer(size, size)
        primitive = pyrender.Primitive(points, color_0=colors, indices=faces.astype(np.uint32), mode=4)
        fov, near, far = projection
        self._scene = pyrender.Scene(bg_color=[0, 0, 0, 0])
        self._scene.add(pyrender.Mesh([primitive]))
        self._scene.add(pyrender.PerspectiveCamera(fov, znear=near, zfar=far), pose=np.eye(4))
        self._flags = pyrender.RenderFlags.FLAT | pyrender.RenderFlags.SKIP_CULL_FACES
        self.by_pyrender()  # compiles its shaders and sends the mesh
        self._program, self._vertices = self._send(clip, colors, faces.astype(np.uint32))
        self._framebuffer = self._make_framebuffer()

    def by_pyrender(self) -> np.ndarray:
        """The picture [H, W, 3] uint8 by `OffscreenRenderer.render`, which reads color and depth back."""
        return self._renderer.render(self._scene, self._flags)[0]

    def draw(self) -> None:
        """Color and depth by the driver alone, finished but not read back."""
        gl = self._gl
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._framebuffer)
        gl.glViewport(0, 0, self.size, self.size)
        gl.glDisable(gl.GL_CULL_FACE)
        gl.glDisable(gl.GL_BLEND)
        gl.glEnable(gl.GL_DEPTH_TEST)
        gl.glClearColor(0, 0, 0, 0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        gl.glUseProgram(self._program)
        gl.glBindVertexArray(self._vertices)
        gl.glDrawElements(gl.GL_TRIANGLES, self._num_indices, gl.GL_UNSIGNED_INT, None)
        gl.glFinish()

    def draw_and_read(self) -> np.ndarray:
        """The picture [H, W, 4] uint8, row 0 at the bottom, by the driver alone; depth is read too."""
        gl = self._gl
        self.draw()
        size = self.size
        gl.glReadPixels(0, 0, size, size, gl.GL_DEPTH_COMPONENT, gl.GL_FLOAT)
        pixels = gl.glReadPixels(0, 0, size, size, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE)
        return np.frombuffer(pixels, np.uint8).reshape(size, size, 4)

    def driver(self) -> str:
        """Name of the OpenGL driver."""
        return self._gl.glGetString(self._gl.GL_RENDERER).decode()

    def close(self) -> None:
        """Give the context back."""
        self._renderer.delete()

    def _send(self, clip: np.ndarray, colors: np.ndarray, indices: np.ndarray) -> tuple[Any, Any]:
        gl, shaders = self._gl, import_module("OpenGL.GL.shaders")
        vertices = gl.glGenVertexArrays(1)
        gl.glBindVertexArray(vertices)
        program = shaders.compileProgram(
            shaders.compileShader(VERTEX_SHADER, gl.GL_VERTEX_SHADER),
            shaders.compileShader(FRAGMENT_SHADER, gl.GL_FRAGMENT_SHADER),
        )
        for location, values in enumerate((clip, colors)):
            data = np.ascontiguousarray(values, np.float32)
            gl.glBindBuffer(gl.GL_ARRAY_BUFFER, gl.glGenBuffers(1))
            gl.glBufferData(gl.GL_ARRAY_BUFFER, data.nbytes, data, gl.GL_STATIC_DRAW)
            gl.glEnableVertexAttribArray(location)
            gl.glVertexAttribPointer(location, data.shape[1], gl.GL_FLOAT, False, 0, None)
        gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, gl.glGenBuffers(1))
        gl.glBufferData(gl.GL_ELEMENT_ARRAY_BUFFER, indices.nbytes, indices, gl.GL_STATIC_DRAW)
        return program, vertices

    def _make_framebuffer(self) -> Any:
        gl = self._gl
        framebuffer = gl.glGenFramebuffers(1)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, framebuffer)
        for attachment, kind in (
            (gl.GL_COLOR_ATTACHMENT0, gl.GL_RGBA8),
            (gl.GL_DEPTH_ATTACHMENT, gl.GL_DEPTH_COMPONENT24),
        ):
            buffer = gl.glGenRenderbuffers(1)
            gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, buffer)
            gl.glRenderbufferStorage(gl.GL_RENDERBUFFER, kind, self.size, self.size)
            gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, attachment, gl.GL_RENDERBUFFER, buffer)
        return framebuffer
