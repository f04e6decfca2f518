// Silhouettes of a rasterised picture: blended over the two pixels they pass between, or left as they are,
// and in both cases with the gradient that point sampling does not have.
//
// A step from colour A to colour B at distance s from the first centre, seen through pixels of width 1, moves
// 1/2 - s of the first pixel to B while s < 1/2, and s - 1/2 of the second one to A while s > 1/2 (analytic
// antialiasing of Laine et al. 2020). Its derivative to s is the step A - B, in the pixel that the step is
// in.
//
// Without blending ("exact") the same step moves, and its derivative is dealt to the pair as (1 - s, s): the
// derivative of the picture filtered by a tent. The idea, colour jump times motion of the edge for a picture
// that is not touched, is that of Pidhorskyi et al. 2024, Rasterized Edge Gradients.
#pragma once

#include "dream3d/antialias_edges.h"

namespace dream3d {

// Pixels are counted over all views; pair (pixel, axis) is that of the pixel and its neighbour to the right
// or below.
struct PixelPlace {
  int64_t view, row, column;
};

D3D_HOST_DEVICE inline PixelPlace place_of(int64_t pixel, int64_t height, int64_t width) {
  const int64_t line = pixel / width;
  return {line / height, line % height, pixel % width};
}

template <class Params>
D3D_HOST_DEVICE inline EdgeMesh mesh_of(const Params& p, int64_t view, const int32_t* neighbors) {
  return {p.positions + 4 * view * p.num_vertices, p.faces, neighbors, p.num_vertices, p.num_triangles};
}

struct PairEdge {
  int32_t edge;
  double crossing;
};

D3D_HOST_DEVICE inline PairEdge silhouette_of_axis(const EdgeMesh& mesh, const PairFrame& frame,
                                                   const Walk& walk) {
  const int32_t corner = walk.edge % 3;
  const int32_t* face = mesh.faces + (walk.edge - corner);
  if (!is_of_axis(mesh, frame, face[corner], face[(corner + 1) % 3])) return {D3D_NO_EDGE, 0.0};
  return {walk.edge, walk.crossing};
}

D3D_HOST_DEVICE inline bool is_first_in_front(int32_t first, int32_t second, float first_depth,
                                              float second_depth) {
  return second < 0 || (first >= 0 && first_depth <= second_depth);
}

// What separates two pixels that see different triangles `first` and `second` (-1: nothing) at these depths.
D3D_HOST_DEVICE inline PairEdge find_pair_edge(const EdgeMesh& mesh, const PairFrame& frame, int32_t first,
                                               int32_t second, float first_depth, float second_depth) {
  const PairEdge none = {D3D_NO_EDGE, 0.0};
  const bool first_in_front = is_first_in_front(first, second, first_depth, second_depth);
  const int32_t front = first_in_front ? first : second, back = first_in_front ? second : first;
  const Walk walk = walk_surface(mesh, frame, front, back, first_in_front);
  if (walk.end == WalkEnd::kSilhouette) return silhouette_of_axis(mesh, frame, walk);
  if (walk.end != WalkEnd::kCoversOther || back < 0) return none;
  // The surface of the nearer pixel goes on over the other pixel, which sees something else: that is nearer
  // there.
  const Walk other = walk_surface(mesh, frame, back, front, !first_in_front);
  if (other.end == WalkEnd::kSilhouette) return silhouette_of_axis(mesh, frame, other);
  double crossing = 0.0;
  if (other.end == WalkEnd::kCoversOther && find_intersection(mesh, frame, first, second, crossing)) {
    return {D3D_INTERSECTION, crossing};
  }
  return none;
}

// Writes what separates a pixel from its neighbour along an axis.
D3D_HOST_DEVICE inline void write_edge(const D3dAntialiasEdgesParams& p, int64_t pixel, int axis,
                                       const PairEdge& found) {
  p.edge[2 * pixel + axis] = found.edge;
  p.crossing[2 * pixel + axis] = static_cast<float>(clamp_to(found.crossing, 0.0, 1.0));
}

D3D_HOST_DEVICE inline void find_pixel_edges(const D3dAntialiasEdgesParams& p, int64_t pixel,
                                             const PixelPlace& place) {
  for (int axis = 0; axis < 2; ++axis) {
    PairEdge found = {D3D_NO_EDGE, 0.0};
    const bool has_other = axis == 0 ? place.column + 1 < p.width : place.row + 1 < p.height;
    const int64_t other = pixel + (axis == 0 ? 1 : p.width);
    if (has_other && p.triangle_id[pixel] != p.triangle_id[other]) {
      const EdgeMesh mesh = mesh_of(p, place.view, p.neighbors);
      const PairFrame frame = make_pair_frame(p.height, p.width, place.row, place.column, axis);
      found = find_pair_edge(mesh, frame, p.triangle_id[pixel], p.triangle_id[other], p.depth[pixel],
                             p.depth[other]);
    }
    write_edge(p, pixel, axis, found);
  }
}

// Calls visit(other, own_share, other_share) for every neighbour that a discontinuity separates from the
// pixel, left, right, above, below: the part of the pixel that shows the neighbour, and the other way round.
// One of them is 0.
template <class Visit>
D3D_HOST_DEVICE inline void for_each_share(const int32_t* edge, const float* crossing, int64_t width,
                                           int64_t pixel, const PixelPlace& place, const Visit& visit) {
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t step = axis == 0 ? 1 : width;
    if ((axis == 0 ? place.column : place.row) > 0 && edge[2 * (pixel - step) + axis] != D3D_NO_EDGE) {
      const float past = crossing[2 * (pixel - step) + axis] - 0.5f;
      visit(pixel - step, max_of(past, 0.0f), max_of(-past, 0.0f));
    }
    if (edge[2 * pixel + axis] != D3D_NO_EDGE) {  // never of a pair that leaves the picture
      const float past = crossing[2 * pixel + axis] - 0.5f;
      visit(pixel + step, max_of(-past, 0.0f), max_of(past, 0.0f));
    }
  }
}

D3D_HOST_DEVICE inline void blend_pixel(const D3dAntialiasParams& p, int64_t pixel, const PixelPlace& place) {
  const int64_t channels = p.num_channels;
  const float* own = p.image + pixel * channels;
  float* out = p.output + pixel * channels;
  for (int64_t c = 0; c < channels; ++c) out[c] = own[c];
  for_each_share(p.edge, p.crossing, p.width, pixel, place, [&](int64_t other, float share, float) {
    if (!(share > 0.0f)) return;  // a NaN that does not reach into the pixel stays out of it
    const float* color = p.image + other * channels;
    for (int64_t c = 0; c < channels; ++c) out[c] += share * (color[c] - own[c]);
  });
}

// Gradient to the colours of one pixel: the transpose of blend_pixel, gathered.
D3D_HOST_DEVICE inline void blend_pixel_vjp(const D3dAntialiasBackwardParams& p, int64_t pixel,
                                            const PixelPlace& place) {
  const int64_t channels = p.num_channels;
  const float* own = p.grad_output + pixel * channels;
  float* out = p.grad_image + pixel * channels;
  for (int64_t c = 0; c < channels; ++c) out[c] = own[c];
  for_each_share(p.edge, p.crossing, p.width, pixel, place, [&](int64_t other, float own_share, float share) {
    const float* grad = p.grad_output + other * channels;
    for (int64_t c = 0; c < channels; ++c) {
      if (own_share > 0.0f) out[c] -= own_share * own[c];
      if (share > 0.0f) out[c] += share * grad[c];
    }
  });
}

// Derivative of the loss to how far the discontinuity of a pair lies from the first centre.
D3D_HOST_DEVICE inline double crossing_vjp(const D3dAntialiasBackwardParams& p, int64_t pixel, int axis) {
  const int64_t channels = p.num_channels;
  const int64_t first = pixel * channels, second = (pixel + (axis == 0 ? 1 : p.width)) * channels;
  const float s = p.crossing[2 * pixel + axis];
  const float second_weight = p.exact != 0 ? s : (s < 0.5f ? 0.0f : 1.0f);
  double grad = 0.0;
  for (int64_t c = 0; c < channels; ++c) {
    const float upstream =
        (1.0f - second_weight) * p.grad_output[first + c] + second_weight * p.grad_output[second + c];
    grad += static_cast<double>(upstream) * (p.image[first + c] - p.image[second + c]);
  }
  return grad;
}

// Calls add(vertex of its view, x, y, z, w) for the gradient of each vertex that moves the discontinuity of a
// pair. `wanted(vertex)` may turn down vertices; a pair with none that is wanted costs nothing more.
template <class Wanted, class Add>
D3D_HOST_DEVICE inline void pair_vjp(const D3dAntialiasBackwardParams& p, int64_t pixel, int axis,
                                     const Wanted& wanted, const Add& add) {
  const int32_t edge = p.edge[2 * pixel + axis];
  if (edge == D3D_NO_EDGE) return;
  const PixelPlace place = place_of(pixel, p.height, p.width);
  const EdgeMesh mesh = mesh_of(p, place.view, nullptr);
  const PairFrame frame = make_pair_frame(p.height, p.width, place.row, place.column, axis);
  if (edge == D3D_INTERSECTION) {
    const int64_t other = pixel + (axis == 0 ? 1 : p.width);
    find_intersection_vjp(mesh, frame, p.triangle_id[pixel], p.triangle_id[other],
                          crossing_vjp(p, pixel, axis), add);
    return;
  }
  const int32_t corner = edge % 3;
  const int32_t a = p.faces[edge], b = p.faces[edge - corner + (corner + 1) % 3];
  if (!wanted(a) && !wanted(b)) return;
  PairVertex grad_a, grad_b;
  edge_crossing_vjp(to_pair(frame, mesh.positions + 4 * int64_t{a}),
                    to_pair(frame, mesh.positions + 4 * int64_t{b}), crossing_vjp(p, pixel, axis), grad_a,
                    grad_b);
  to_pair_vjp(frame, grad_a, 0.0, a, add);
  to_pair_vjp(frame, grad_b, 0.0, b, add);
}

}  // namespace dream3d
