// CUDA driver: every covered pixel of every triangle goes through a 64-bit atomic minimum of (depth, id),
// then one thread per pixel computes barycentrics. The minimum does not depend on the order, so the result is
// deterministic and equal to the CPU library's bit for bit.
#include "dream3d/cuda_launch.h"
#include "dream3d/rasterize.h"
#include "dream3d/rasterize_limits.h"

namespace dream3d {
namespace {

constexpr int kBlock = 128;
constexpr int kWarp = 32;
constexpr int64_t kSmallArea = 64;  // bounding boxes up to this many pixels are scanned by one thread
constexpr uint64_t kEmpty = ~uint64_t{0};

// Orders floats as unsigned integers; the id below it breaks ties.
__device__ uint64_t depth_key(float depth, int32_t triangle) {
  const uint32_t bits = __float_as_uint(depth);
  const uint32_t ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
  return uint64_t{ordered} << 32 | static_cast<uint32_t>(triangle);
}

__device__ float key_depth(uint64_t key) {
  const uint32_t ordered = static_cast<uint32_t>(key >> 32);
  return __uint_as_float(ordered >> 31 ? ordered & 0x7fffffffu : ~ordered);
}

__device__ ClipVertex load_vertex(const D3dRasterizeParams& p, int64_t view, int32_t index) {
  const float4 v = reinterpret_cast<const float4*>(p.positions)[view * p.num_vertices + index];
  return {v.x, v.y, v.z, v.w};
}

__device__ bool load_triangle(const D3dRasterizeParams& p, int64_t view, int64_t triangle,
                              ClipVertex out[3]) {
  for (int i = 0; i < 3; ++i) {
    const int32_t index = p.faces[3 * triangle + i];
    if (index < 0 || index >= p.num_vertices) return false;
    out[i] = load_vertex(p, view, index);
  }
  return true;
}

template <class Emit>
__device__ void for_each_piece_of(const D3dRasterizeParams& p, int64_t view, int64_t triangle,
                                  const Emit& emit) {
  ClipVertex vertices[3];
  if (!load_triangle(p, view, triangle, vertices)) return;
  ProjectedVertex projected[3];
  for (int i = 0; i < 3; ++i) projected[i] = project_vertex(vertices[i], p.width, p.height);
  for_each_piece(vertices, projected, static_cast<int32_t>(triangle), p.width, p.height, emit);
}

__device__ int64_t box_area(const Piece& piece) {
  return int64_t{piece.x1 - piece.x0 + 1} * (piece.y1 - piece.y0 + 1);
}

// Scans the bounding box of a piece: pixels first, first + stride, ...
__device__ void scan_piece(const D3dRasterizeParams& p, int64_t view, const Piece& piece, int first,
                           int stride) {
  uint64_t* z_buffer = p.z_buffer + view * p.height * p.width;
  ClipVertex vertices[3];
  if (!load_triangle(p, view, piece.triangle, vertices)) return;
  const DepthPlane plane = make_depth_plane(make_barycentric_planes(vertices), vertices, piece.low,
                                            piece.high, p.width, p.height);
  EdgeEquation edges[3];
  make_edges(piece, edges);
  const int64_t box_width = piece.x1 - piece.x0 + 1;
  const int64_t area = box_area(piece);
  for (int64_t i = first; i < area; i += stride) {
    const int64_t x = piece.x0 + i % box_width;
    const int64_t y = piece.y0 + i / box_width;
    if (!(edge_covers(edges[0], x, y) && edge_covers(edges[1], x, y) && edge_covers(edges[2], x, y)))
      continue;
    const float depth =
        static_cast<float>(depth_at(plane, depth_row(plane, y), static_cast<double>(x))) + 0.0f;
    atomicMin(reinterpret_cast<unsigned long long*>(z_buffer + y * p.width + x),
              static_cast<unsigned long long>(depth_key(depth, piece.triangle)));
  }
}

// One lane per triangle; those with a large bounding box are then shared by the warp, one after the other.
__global__ void scan_triangles(D3dRasterizeParams p) {
  const int lane = threadIdx.x % kWarp;
  const int64_t view = blockIdx.y;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  // `base` is the same for the whole warp, so all its lanes reach the ballot
  for (int64_t base = int64_t{blockIdx.x} * blockDim.x + threadIdx.x - lane; base < p.num_triangles;
       base += stride) {
    const int64_t own = base + lane;
    bool shared = false;
    if (own < p.num_triangles) {
      for_each_piece_of(p, view, own, [&](const Piece& piece) {
        if (box_area(piece) <= kSmallArea) {
          scan_piece(p, view, piece, 0, 1);
        } else {
          shared = true;
        }
      });
    }
    for (unsigned waiting = __ballot_sync(0xffffffffu, shared); waiting != 0; waiting &= waiting - 1) {
      for_each_piece_of(p, view, base + __ffs(waiting) - 1, [&](const Piece& piece) {
        if (box_area(piece) > kSmallArea) scan_piece(p, view, piece, lane, kWarp);
      });
    }
  }
}

__global__ void resolve_pixels(D3dRasterizeParams p) {
  const int64_t pixels = p.height * p.width;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_views * pixels; i += stride) {
    const uint64_t key = p.z_buffer[i];
    const bool empty = key == kEmpty;
    const int32_t id = empty ? -1 : static_cast<int32_t>(key & 0xffffffffu);
    double u = 0.0, v = 0.0;
    ClipVertex vertices[3];
    if (!empty && load_triangle(p, i / pixels, id, vertices)) {
      const int64_t pixel = i % pixels;
      barycentrics_at(make_barycentric_planes(vertices), static_cast<double>(pixel % p.width),
                      static_cast<double>(pixel / p.width), p.width, p.height, u, v);
    }
    p.triangle_id[i] = id;
    p.barycentrics[2 * i] = static_cast<float>(u);
    p.barycentrics[2 * i + 1] = static_cast<float>(v);
    p.depth[i] = empty ? 1.0f : key_depth(key);
  }
}

void rasterize(const D3dRasterizeParams& p, const D3dLaunch& launch) {
  require_rasterize_limits(p);
  require(p.num_views <= 65535, "rasterize: more than 65535 views in one call");
  const int64_t pixels = p.num_views * p.height * p.width;
  if (pixels == 0) return;
  const DeviceGuard guard(launch);
  check_cuda(
      cudaMemsetAsync(p.z_buffer, 0xff, static_cast<size_t>(pixels) * sizeof(uint64_t), stream_of(launch)),
      "rasterize: clear depth");
  if (p.num_triangles > 0) {
    const dim3 grid(grid_blocks(p.num_triangles, kBlock), static_cast<unsigned>(p.num_views));
    launch_kernel("rasterize: scan", scan_triangles, grid, kBlock, launch, p);
  }
  launch_kernel("rasterize: resolve", resolve_pixels, grid_blocks(pixels, kBlock), kBlock, launch, p);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_rasterize(const D3dRasterizeParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dRasterizeParams& p) { dream3d::rasterize(p, *launch); });
}
